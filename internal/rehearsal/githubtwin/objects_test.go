package githubtwin_test

import (
	"strings"
	"testing"
)

// TestObjects makes a commit out of blobs and a tree, as the git database has it, and what it refuses.
func TestObjects(t *testing.T) {
	w := newWorld(t)
	sha := func(a answer) string { return a.json["sha"].(string) }
	nothing := strings.Repeat("7", 40)
	blob := sha(w.want(201, "", "POST", "/git/blobs", obj{"content": "/wA=", "encoding": "base64"}))
	if text := sha(w.want(201, "", "POST", "/git/blobs", obj{"content": "hello\n"})); text != "ce013625030ba8dba906f756967f9e9ca394464a" {
		t.Errorf("git's id of hello is %s", text)
	}
	w.want(422, "Base64", "POST", "/git/blobs", obj{"content": "!", "encoding": "base64"})

	head := w.want(200, w.head, "GET", "/git/commits/"+w.head, nil)
	base := head.json["tree"].(obj)["sha"].(string)
	w.want(404, "", "GET", "/git/commits/"+nothing, nil)
	entries := []obj{
		{"path": "bin/run", "mode": "100755", "type": "blob", "sha": blob}, {"path": "link", "mode": "120000", "type": "blob", "content": "bin/run"},
		{"path": "Cargo.toml", "mode": "100644", "type": "blob", "sha": nil},
	}
	made := w.want(201, `"mode":"040000","path":"bin"`, "POST", "/git/trees", obj{"base_tree": base, "tree": entries})
	tree := sha(made)
	w.want(200, `"mode":"100755","path":"bin/run"`, "GET", "/git/trees/"+tree+"?recursive=1", nil)
	if strings.Contains(string(made.body), "Cargo.toml") {
		t.Errorf("what is taken out is there: %s", made.body)
	}
	file := func(change obj) obj {
		e := obj{"path": "x", "mode": "100644", "type": "blob", "sha": blob}
		for k, v := range change {
			e[k] = v
		}
		return obj{"base_tree": base, "tree": []obj{e}}
	}
	w.want(422, "base_tree", "POST", "/git/trees", obj{"base_tree": w.head, "tree": entries})
	w.want(422, "valid blob", "POST", "/git/trees", file(obj{"sha": nothing}))
	w.want(422, "valid blob", "POST", "/git/trees", file(obj{"sha": base}))
	w.want(422, "path", "POST", "/git/trees", file(obj{"path": "/x"}))
	w.want(422, "mode", "POST", "/git/trees", file(obj{"mode": "100600"}), deliberate+": yes")

	commit := obj{"message": "Modes", "tree": tree, "parents": []string{w.head}}
	w.want(422, "Tree", "POST", "/git/commits", obj{"message": "x", "tree": nothing})
	w.want(422, "Parent", "POST", "/git/commits", obj{"message": "x", "tree": tree, "parents": []string{nothing}})
	signed := w.want(201, `"verified":true`, "POST", "/git/commits", commit)
	w.want(200, `"verified":true`, "GET", "/git/commits/"+sha(signed), nil)
	commit["author"] = obj{"name": "Ada", "email": "ada@example.invalid", "date": "2026-01-02T03:04:05Z"}
	w.want(201, `"verified":false`, "POST", "/git/commits", commit)
	w.want(201, `"email":"ada@example.invalid"`, "POST", "/git/commits", commit)
	delete(commit, "author")
	commit["message"] = "By a person"
	w.token = "ghp_personal"
	w.want(201, `"verified":false`, "POST", "/git/commits", commit)

	w.want(200, sha(signed), "PATCH", "/git/refs/heads/main", obj{"sha": sha(signed)})
	w.want(200, `"type":"symlink"`, "GET", "/contents/link", nil)
	w.want(404, "", "GET", "/contents/Cargo.toml", nil)
}
