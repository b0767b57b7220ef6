// Package render holds every sentence a person reads: progress on a terminal, reports as text, Markdown and JSON,
// and problems. It is pure: it writes to the writers it is given and takes time, width and colours as values.
//
// Everything that came from outside (names, answers of services, error texts) passes Clean or plain.Block before it is
// written, so that it can neither steer a terminal nor pose as something else.
package render

import "github.com/tagboat/tagboat/internal/render/plain"

// Style is what a stream can show. The zero Style is plain text of 80 columns.
type Style = plain.Style

// Clean makes s safe to write within one line of any output but Markdown.
func Clean(s string) string { return plain.Clean(s) }
