package cargo

// Lint judges the manifests of everything that is published, as a consumer without any source replacement would
// resolve them and as the registries would take them. registries gives the index URL of each registry by name; those
// of the checkout's own cargo configuration need not be repeated.
func Lint(w *Workspace, registries map[string]string) []Finding {
	l := &linter{w: w, registries: registries}
	for _, p := range w.Members {
		l.member(p)
	}
	return unique(l.out)
}

type linter struct {
	w          *Workspace
	registries map[string]string
	out        []Finding
}

func (l *linter) member(p Package) {}
