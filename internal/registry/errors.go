package registry

import "github.com/tagboat/tagboat/internal/registry/wire"

// Error is a call that did not do what was asked.
type Error = wire.Error

// Class says what kind of no an *Error is.
type Class = wire.Class

// The classes; package wire says what each means.
const (
	Refused     = wire.Refused
	Transient   = wire.Transient
	RateLimited = wire.RateLimited
	Denied      = wire.Denied
	NotFound    = wire.NotFound
	Duplicate   = wire.Duplicate
)

// IsClass reports whether err is an *Error of class c.
func IsClass(err error, c Class) bool { return wire.IsClass(err, c) }
