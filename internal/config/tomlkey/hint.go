package tomlkey

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// UnknownHint names the key that was probably meant: one at the same place that is spelled alike, the same name in
// another table, or else all keys that the place has.
func UnknownHint(root reflect.Type, path []string) string {
	parent, ok := TypeAt(root, path[:len(path)-1])
	for !ok && len(path) > 1 {
		path = path[:len(path)-1]
		parent, ok = TypeAt(root, path[:len(path)-1])
	}
	if parent.Kind() != reflect.Struct {
		return ""
	}
	last, here := path[len(path)-1], path[:len(path)-1]
	var names []string
	for _, f := range Fields(parent) {
		names = append(names, f.Name)
	}
	if near := Nearest(last, names); near != "" {
		return DidYouMean(Join(append(slices.Clone(here), near)))
	}
	for _, known := range knownKeys(root) {
		if known[len(known)-1] == last {
			return DidYouMean(Join(known))
		}
	}
	return "known keys here: " + strings.Join(names, ", ")
}

// knownKeys lists the paths of all keys and tables, NAME standing for what the user names.
func knownKeys(root reflect.Type) [][]string {
	var keys [][]string
	var walk func(t reflect.Type, path []string)
	walk = func(t reflect.Type, path []string) {
		switch t.Kind() {
		case reflect.Struct:
			for _, f := range Fields(t) {
				here := append(slices.Clone(path), f.Name)
				keys = append(keys, here)
				walk(f.Type, here)
			}
		case reflect.Map:
			walk(t.Elem(), append(slices.Clone(path), "NAME"))
		}
	}
	walk(root, nil)
	return keys
}

// DidYouMean asks for what was probably meant, "" where nothing was found.
func DidYouMean(what string) string {
	if what == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", what)
}

// OneOf writes a list of allowed words.
func OneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// Nearest returns the candidate that differs least from word, "" where none is close.
func Nearest(word string, candidates []string) string {
	best, limit := "", max(1, len(word)/3)
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	for _, c := range candidates {
		if d := distance(word, strings.ReplaceAll(strings.ToLower(c), "-", "_")); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row := rows[(i-1+3)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
