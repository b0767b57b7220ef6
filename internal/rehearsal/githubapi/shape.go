package githubapi

import (
	"maps"
	"net/http"
	"strings"
)

// account is GitHub's simple-user.
func account(api, html, login string, id int64, typ string) Object {
	self := api + "/users/" + Escape(login)
	return Object{
		"login": login, "id": id, "node_id": NodeID("User", id), "avatar_url": html + "/avatars/" + Escape(login), "gravatar_id": "",
		"url": self, "html_url": html + "/" + Escape(login), "followers_url": self + "/followers", "following_url": self + "/following{/other_user}",
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

func (s *Site) root(c *Call) string { return strings.TrimSuffix(c.URLs.API, "/api/v3") }

// User is the owner of the credentials.
func (s *Site) User(c *Call) Object {
	typ := "User"
	if strings.HasSuffix(s.Actor, "[bot]") {
		typ = "Bot"
	}
	return account(c.URLs.API, s.root(c), s.Actor, actorID, typ)
}

// GetUser is the operation /user.
func (s *Site) GetUser(c *Call) Reply {
	if c.Token == "" {
		return Fail(http.StatusUnauthorized, "Requires authentication")
	}
	u := s.User(c)
	for _, null := range []string{"bio", "blog", "company", "email", "hireable", "location", "name"} {
		u[null] = nil
	}
	for _, none := range []string{"followers", "following", "public_gists", "public_repos", "collaborators", "disk_usage", "owned_private_repos", "private_gists", "total_private_repos"} {
		u[none] = 0
	}
	u["created_at"], u["updated_at"], u["two_factor_authentication"], u["user_view_type"] = Stamp(s.Born), Stamp(s.Born), true, "private"
	return OK(u)
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

// MinimalRepository is the repository as other answers embed it.
func (s *Site) MinimalRepository(c *Call) Object {
	r := Object{
		"id": repoID, "node_id": NodeID("Repository", repoID), "name": s.Repo, "full_name": s.Owner + "/" + s.Repo, "private": s.Private,
		"owner": account(c.URLs.API, s.root(c), s.Owner, ownerID, "Organization"), "html_url": c.URLs.HTML, "description": nil, "fork": false,
	}
	for name, suffix := range addresses {
		r[name] = c.URLs.Repo + suffix
	}
	return r
}

// GetRepository is the operation /repos/{owner}/{repo}.
func (s *Site) GetRepository(c *Call) Reply { return OK(s.Repository(c)) }

// Repository is the repository in full, as this caller sees it.
func (s *Site) Repository(c *Call) Object {
	r := s.MinimalRepository(c)
	visibility := "public"
	if s.Private {
		visibility = "private"
	}
	more := Object{
		"clone_url": c.URLs.HTML + ".git", "svn_url": c.URLs.HTML, "git_url": strings.Replace(c.URLs.HTML, "http", "git", 1) + ".git",
		"ssh_url": "git@github.com:" + s.Owner + "/" + s.Repo + ".git", "mirror_url": nil, "homepage": nil, "language": "Rust", "license": nil,
		"default_branch": s.DefaultBranch, "visibility": visibility, "created_at": Stamp(s.Born), "updated_at": Stamp(s.Born), "pushed_at": Stamp(s.Born),
		"archived": false, "disabled": false, "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_discussions": false,
		"has_downloads": true, "size": 0, "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "network_count": 0,
		"subscribers_count": 0, "open_issues": s.OpenIssues(), "open_issues_count": s.OpenIssues(),
		"permissions": Object{"admin": c.all, "maintain": c.all, "push": s.May(c, "contents", "write"), "triage": c.all, "pull": s.May(c, "contents", "read")},
	}
	maps.Copy(r, more)
	return r
}
