package render

import (
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/release"
)

// logins says how crates go to the registries for which a run makes its own credential. It is empty where tokens do.
func logins(r release.Report) []string {
	if !hasStep(r, release.KindPublish) {
		return nil // another run publishes
	}
	var out []string
	for _, reg := range r.Registries {
		if !reg.Login.Minted() {
			continue
		}
		if reg.Login.How == release.LoginEntra {
			out = append(out, reg.Name+": by Entra, with a token that is made for this run")
			continue
		}
		lanes := map[string][]string{}
		for _, c := range r.Crates {
			if slices.Contains(c.Registries, reg.Name) {
				lanes[reg.Lane(c.Name)] = append(lanes[reg.Lane(c.Name)], c.Name)
			}
		}
		var parts []string
		if names := lanes[release.LoginTrusted]; names != nil {
			parts = append(parts, "by trusted publishing"+publisher(*reg.Login)+": "+strings.Join(names, ", "))
		}
		if names := lanes[release.LoginToken]; names != nil {
			parts = append(parts, "by a token, because they are new: "+strings.Join(names, ", "))
		}
		if parts != nil {
			out = append(out, reg.Name+": "+strings.Join(parts, "; "))
		}
	}
	return out
}

// publisher is what must be registered for the crates.
func publisher(l release.Login) string {
	if l.Workflow == "" {
		return ""
	}
	s := " (repository " + l.Repository + ", workflow " + l.Workflow
	if l.Environment != "" {
		s += ", environment " + l.Environment
	}
	return s + ")"
}
