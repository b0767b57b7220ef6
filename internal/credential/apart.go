package credential

import (
	"path/filepath"
	"slices"
	"strings"
)

// asking are the commands of cargo that may need a registry while they run. Any other one can do with what cargo fetch got.
var asking = []string{"add", "fetch", "generate-lockfile", "info", "install", "login", "logout", "metadata", "owner", "publish", "remove", "rm", "search", "tree", "update", "vendor", "yank"}

// cargoLine is a command line of cargo, as far as it matters for what is fetched.
type cargoLine struct {
	command           string
	before, after     []string // options that cargo fetch takes, too; the first kind stands before the command only
	offline, noVerify bool
}

// withValue are the options that decide what is fetched and take a value.
var withValue = []string{"--manifest-path", "--config", "-Z", "-C", "--color", "--lockfile-path"}

func readCargo(argv []string) (cargoLine, bool) {
	var l cargoLine
	if name := strings.TrimSuffix(filepath.Base(argv[0]), ".exe"); name != "cargo" {
		return l, false
	}
	for i := 1; i < len(argv) && argv[i] != "--"; i++ {
		word := argv[i]
		name, _, inline := strings.Cut(word, "=")
		switch {
		case i == 1 && strings.HasPrefix(word, "+"):
			l.before = append(l.before, word)
		case slices.Contains(withValue, name):
			pair := []string{word}
			if !inline && i+1 < len(argv) {
				i++
				pair = append(pair, argv[i])
			}
			if name == "-C" {
				l.before = append(l.before, pair...)
			} else {
				l.after = append(l.after, pair...)
			}
		case strings.HasPrefix(word, "-Z"), word == "--locked", word == "--quiet", word == "-q":
			l.after = append(l.after, word)
		case word == "--offline", word == "--frozen":
			l.offline = true
		case word == "--no-verify":
			l.noVerify = true
		case l.command == "" && !strings.HasPrefix(word, "-"):
			l.command = word
		}
	}
	return l, true
}

// Apart returns what gets the dependencies for a command of cargo that builds, and whether the command is one: it can then
// be run offline, without a token. The fetching is nil where the command goes without a network anyway. What the command
// itself is given by options that fetch does not know, such as --target, does not matter: fetch gets it for every target.
func Apart(argv []string) (fetch []string, apart bool) {
	l, ok := readCargo(argv)
	if !ok || l.command == "" || slices.Contains(asking, l.command) {
		return nil, false
	}
	if l.offline {
		return nil, true
	}
	return slices.Concat(argv[:1], l.before, []string{"fetch"}, l.after), true
}

// Builds reports whether a command that may ask for tokens may build crates meanwhile: one that is not cargo's can do
// anything.
func Builds(argv []string) bool {
	l, ok := readCargo(argv)
	return !ok || l.command == "install" || l.command == "publish" && !l.noVerify
}
