package release

import "fmt"

// Bind holds the bill against the release it was found in: the same repository, tag and commit, and every file that
// it names with its digest.
func (l *Ledger) Bind(s Snapshot) {
	if l.Bill == nil {
		return
	}
	if l.Bill.Repository != s.Repository || l.Bill.Tag != s.Checkout.Tag.Name || l.Bill.Commit != s.Checkout.Commit {
		l.Authentic = false
		l.Reason = fmt.Sprintf("the bill is for %s %s at %s", l.Bill.Repository, l.Bill.Tag, Short(l.Bill.Commit))
	}
}

// Miss fills in which files of the bill the release lacks.
func (l *Ledger) Miss(assets []Asset) {
	if l.Bill == nil {
		return
	}
	have := map[string]Asset{}
	for _, a := range assets {
		have[a.Name] = a
	}
	need := func(name, sum string, size int64) {
		a, ok := have[name]
		if !ok || !a.Whole || a.Size != size || a.SHA256 != "" && a.SHA256 != sum {
			l.Missing = append(l.Missing, name)
		}
	}
	for _, c := range l.Bill.Crates {
		need(c.Asset, c.SHA256, c.Size)
	}
	for _, a := range l.Bill.Artifacts {
		need(a.Name, a.SHA256, a.Size)
	}
}
