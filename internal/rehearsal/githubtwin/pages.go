package githubtwin

import (
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
	p := githubapi.ReleasePage{Title: title, Tag: r.tag, Marks: marks, Notes: r.body}
	for _, a := range t.assetsOf(r.id) {
		p.Assets = append(p.Assets, githubapi.PageAsset{Name: a.name, Size: a.size, Digest: a.digest})
	}
	return p.Reply(c)
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
