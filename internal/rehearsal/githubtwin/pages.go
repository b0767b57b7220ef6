package githubtwin

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

// releaseTemplate is the public page of a release: plain, and escaped, since notes come from changelogs.
var releaseTemplate = template.Must(template.New("release").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Release {{.Title}}</title></head><body>
<h1>{{.Title}}</h1>
<p>{{.Tag}}{{if .Prerelease}} (pre-release){{end}}{{if .Latest}} (latest){{end}}</p>
<pre>{{.Body}}</pre>
<ul>
{{range .Assets}}<li><a href="{{.URL}}">{{.Name}}</a> {{.Size}} bytes {{.Digest}}</li>
{{end}}</ul>
</body></html>
`))

// readable reports whether the caller may see the repository's pages and downloads.
func (t *Twin) readable(c *call) bool {
	return t.site.May(c, "contents", "read")
}

func (t *Twin) releasePage(c *call) reply {
	r := t.publishedWith(c.Params["tag"])
	if r == nil || !t.readable(c) {
		return githubapi.NotFound()
	}
	type row struct {
		Name, URL, Digest string
		Size              int64
	}
	view := struct {
		Title, Tag, Body   string
		Prerelease, Latest bool
		Assets             []row
	}{Title: r.name, Tag: r.tag, Body: r.body, Prerelease: r.prerelease, Latest: r == t.latestRelease()}
	if view.Title == "" {
		view.Title = r.tag
	}
	for _, a := range t.assetsOf(r.id) {
		view.Assets = append(view.Assets, row{Name: a.name, URL: c.URLs.HTML + "/releases/download/" + githubapi.Escape(r.tag) + "/" + githubapi.Escape(a.name), Digest: a.digest, Size: a.size})
	}
	var page bytes.Buffer
	if err := releaseTemplate.Execute(&page, view); err != nil {
		return githubapi.Trouble(err)
	}
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
