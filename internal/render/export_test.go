package render

// Escape and MarkdownWithin are for tests.
var (
	Escape         = escape
	MarkdownWithin = markdownWithin
)
