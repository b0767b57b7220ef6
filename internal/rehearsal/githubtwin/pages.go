package githubtwin

import (
	"bytes"
	"fmt"
	"html"
	"net/http"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

// readable reports whether the caller may see the repository's pages and downloads.
func (t *Twin) readable(c *call) bool {
	return t.site.May(c, "contents", "read")
}

func (t *Twin) releasePage(c *call) reply {
	r := t.publishedWith(c.Params["tag"])
	if r == nil || !t.readable(c) {
		return githubapi.NotFound()
	}
	title, marks := r.name, ""
	if title == "" {
		title = r.tag
	}
	if r.prerelease {
		marks += " (pre-release)"
	}
	if r == t.latestRelease() {
		marks += " (latest)"
	}
	// Put together by hand: html/template would keep the linker from leaving out every method that nobody calls, in all of
	// the program. What others wrote is escaped, since notes come from changelogs.
	esc := html.EscapeString
	var page bytes.Buffer
	fmt.Fprintf(&page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Release %[1]s</title></head><body>\n<h1>%[1]s</h1>\n<p>%[2]s%[3]s</p>\n<pre>%[4]s</pre>\n<ul>\n",
		esc(title), esc(r.tag), marks, esc(r.body))
	for _, a := range t.assetsOf(r.id) {
		address := c.URLs.HTML + "/releases/download/" + githubapi.Escape(r.tag) + "/" + githubapi.Escape(a.name)
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a> %d bytes %s</li>\n", esc(address), esc(a.name), a.size, esc(a.digest))
	}
	page.WriteString("</ul>\n</body></html>\n")
	return reply{Status: http.StatusOK, Body: page.Bytes(), Header: map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'"}}
}

// download is the public address of an asset. Drafts have none.
func (t *Twin) download(c *call) reply {
	r := t.publishedWith(c.Params["tag"])
	if r == nil || !t.readable(c) {
		return githubapi.NotFound()
	}
	for _, a := range t.assetsOf(r.id) {
		if a.name == c.Params["name"] {
			return t.issueTicket(c, a)
		}
	}
	return githubapi.NotFound()
}
