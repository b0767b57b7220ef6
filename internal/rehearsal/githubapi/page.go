package githubapi

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
)

// ReleasePage is what the page of a release shows. Marks stand behind the tag.
type ReleasePage struct {
	Title, Tag, Marks, Notes string
	Assets                   []PageAsset
}

// PageAsset is a file on the page of a release.
type PageAsset struct {
	Name   string
	Size   int64
	Digest string
}

// Reply is the page. It is put together by hand: html/template would keep the linker from leaving out every method that
// nobody calls, in all of the program. What others wrote is escaped, since notes come from changelogs.
func (p ReleasePage) Reply(c *Call) Reply {
	esc := html.EscapeString
	var page bytes.Buffer
	fmt.Fprintf(&page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Release %[1]s</title></head><body>\n<h1>%[1]s</h1>\n<p>%[2]s%[3]s</p>\n<pre>%[4]s</pre>\n<ul>\n",
		esc(p.Title), esc(p.Tag), p.Marks, esc(p.Notes))
	for _, a := range p.Assets {
		address := c.URLs.HTML + "/releases/download/" + Escape(p.Tag) + "/" + Escape(a.Name)
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a> %d bytes %s</li>\n", esc(address), esc(a.Name), a.Size, esc(a.Digest))
	}
	page.WriteString("</ul>\n</body></html>\n")
	return Reply{Status: http.StatusOK, Body: page.Bytes(), Header: map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'"}}
}
