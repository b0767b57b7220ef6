package githubtwin

import (
	"maps"
	"net/http"
	"strings"
)

// account is GitHub's simple-user.
func account(api, html, login string, id int64, typ string) object {
	self := api + "/users/" + escape(login)
	return object{
		"login": login, "id": id, "node_id": nodeID("User", id), "avatar_url": html + "/avatars/" + escape(login), "gravatar_id": "",
		"url": self, "html_url": html + "/" + escape(login), "followers_url": self + "/followers", "following_url": self + "/following{/other_user}",
		"gists_url": self + "/gists{/gist_id}", "starred_url": self + "/starred{/owner}{/repo}", "subscriptions_url": self + "/subscriptions",
		"organizations_url": self + "/orgs", "repos_url": self + "/repos", "events_url": self + "/events{/privacy}", "received_events_url": self + "/received_events",
		"type": typ, "site_admin": false,
	}
}

const (
	actorID = 41
	ownerID = 42
	repoID  = 43
)

func (t *Twin) root(c *call) string { return strings.TrimSuffix(c.urls.api, "/api/v3") }

func (t *Twin) user(c *call) object {
	typ := "User"
	if strings.HasSuffix(t.cfg.Actor, "[bot]") {
		typ = "Bot"
	}
	return account(c.urls.api, t.root(c), t.cfg.Actor, actorID, typ)
}

func (t *Twin) getUser(c *call) reply {
	if c.token == "" {
		return fail(http.StatusUnauthorized, "Requires authentication")
	}
	u := t.user(c)
	for _, null := range []string{"bio", "blog", "company", "email", "hireable", "location", "name"} {
		u[null] = nil
	}
	for _, none := range []string{"followers", "following", "public_gists", "public_repos", "collaborators", "disk_usage", "owned_private_repos", "private_gists", "total_private_repos"} {
		u[none] = 0
	}
	u["created_at"], u["updated_at"], u["two_factor_authentication"], u["user_view_type"] = stamp(t.born), stamp(t.born), true, "private"
	return ok(u)
}

// addresses are the URL fields of a repository by name, as suffixes of its API address.
var addresses = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}", "branches_url": "/branches{/branch}",
	"collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
	"contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}", "hooks_url": "/hooks",
	"issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}", "issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}",
	"labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges", "milestones_url": "/milestones{/number}",
	"notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers",
	"statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}", "url": "",
}

// minimalRepository is the repository as other answers embed it.
func (t *Twin) minimalRepository(c *call) object {
	r := object{
		"id": repoID, "node_id": nodeID("Repository", repoID), "name": t.cfg.Repo, "full_name": t.cfg.Owner + "/" + t.cfg.Repo, "private": t.cfg.Private,
		"owner": account(c.urls.api, t.root(c), t.cfg.Owner, ownerID, "Organization"), "html_url": c.urls.html, "description": nil, "fork": false,
	}
	for name, suffix := range addresses {
		r[name] = c.urls.repo + suffix
	}
	return r
}

func (t *Twin) getRepository(c *call) reply { return ok(t.repository(c)) }

func (t *Twin) repository(c *call) object {
	r := t.minimalRepository(c)
	visibility := "public"
	if t.cfg.Private {
		visibility = "private"
	}
	more := object{
		"clone_url": c.urls.html + ".git", "svn_url": c.urls.html, "git_url": strings.Replace(c.urls.html, "http", "git", 1) + ".git",
		"ssh_url": "git@github.com:" + t.cfg.Owner + "/" + t.cfg.Repo + ".git", "mirror_url": nil, "homepage": nil, "language": "Rust", "license": nil,
		"default_branch": t.cfg.DefaultBranch, "visibility": visibility, "created_at": stamp(t.born), "updated_at": stamp(t.born), "pushed_at": stamp(t.born),
		"archived": false, "disabled": false, "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
		"has_downloads": true, "size": 0, "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "network_count": 0,
		"subscribers_count": 0, "open_issues": t.openIssues(), "open_issues_count": t.openIssues(),
		"permissions": object{"admin": c.all, "maintain": c.all, "push": t.may(c, "contents", "write"), "triage": c.all, "pull": t.may(c, "contents", "read")},
	}
	maps.Copy(r, more)
	return r
}

func (t *Twin) openIssues() int {
	n := 0
	for _, i := range t.issues {
		if i.state == "open" {
			n++
		}
	}
	return n
}
