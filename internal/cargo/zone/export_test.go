package zone

import "github.com/tagboat/tagboat/internal/cargo/cage"

// Ways of isolation, for tests that must see each of them on a machine that can do better.
const (
	Bare       = cage.Bare
	UserSpaces = cage.UserSpaces
	RootSpaces = cage.RootSpaces
)

// Only limits a zone to a way of isolation.
func Only(c Config, l cage.Level) Config {
	c.weak = weakness{Level: l, Limited: true}
	return c
}

// Without takes the kernel's filters or the user of its own away, to see what the rest holds.
func Without(c Config, kernel, user bool) Config {
	c.weak.NoKernel, c.weak.NoUser = kernel, user
	return c
}

// Way returns how a zone isolates.
func (z *Zone) Way() cage.Level { return z.level }

// LinkTree makes a toolchain reachable elsewhere.
var LinkTree = linkTree

// FindToolchain picks a toolchain.
var FindToolchain = findToolchain
