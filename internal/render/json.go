package render

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes v as one indented document with a final line break. Characters that mean something in HTML stay as they
// are: the document is for programs, not for a page.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode %T as JSON: %w", v, err)
	}
	return nil
}
