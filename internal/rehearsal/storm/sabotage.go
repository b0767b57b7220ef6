package storm

import (
	"net/http"
)

// Sabotage is a lie that a process is told on its way to the world, so that it breaks a promise although its code is
// right. The storm must find each one: a check that nothing can fail proves nothing.
type Sabotage struct{ Name, Breaks string }

// lie answers a request in place of the service, or not.
func (t *trial) lie(*call, *http.Request) (resp *http.Response, err error, lied bool) {
	return nil, nil, false
}

// distort changes what the service said.
func (t *trial) distort(_ *call, resp *http.Response) *http.Response { return resp }
