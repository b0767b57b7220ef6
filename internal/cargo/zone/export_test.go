package zone

// Ways of isolation, for tests that must see each of them on a machine that can do better.
const (
	Bare       = bare
	UserSpaces = userSpaces
	RootSpaces = rootSpaces
)

// Only limits a zone to a way of isolation.
func Only(c Config, l level) Config {
	c.weak = weakness{Level: l, Limited: true}
	return c
}

// Without takes the kernel's filters or the user of its own away, to see what the rest holds.
func Without(c Config, kernel, user bool) Config {
	c.weak.NoKernel, c.weak.NoUser = kernel, user
	return c
}

// Way returns how a zone isolates.
func (z *Zone) Way() level { return z.level }

// LinkTree makes a toolchain reachable elsewhere.
var LinkTree = linkTree

// FindToolchain picks a toolchain.
var FindToolchain = findToolchain
