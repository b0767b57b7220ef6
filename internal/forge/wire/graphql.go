package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// GraphQL sends a query and decodes its data into out. GitHub answers most errors of a query with status 200 and says in
// a type what they are, which becomes the class.
//
// https://docs.github.com/en/graphql/guides/forming-calls-with-graphql
func (c *Client) GraphQL(ctx context.Context, op, query string, variables, out any) error {
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Type, Message string }
	}
	path := "graphql"
	if strings.HasSuffix(c.api.Path, "/api/v3/") {
		path = "../graphql" // an Enterprise Server
	}
	if _, err := c.Do(ctx, Call{Op: op, Method: http.MethodPost, Path: path, Body: map[string]any{"query": query, "variables": variables}, Out: &answer}); err != nil {
		return err
	}
	if len(answer.Errors) > 0 {
		e := &Error{Op: op + " in " + c.slug, Status: http.StatusOK, Class: Refused, Message: answer.Errors[0].Message}
		switch answer.Errors[0].Type {
		case "STALE_DATA":
			e.Class = Conflict
		case "NOT_FOUND":
			e.Class = NotFound
		case "FORBIDDEN", "INSUFFICIENT_SCOPES":
			e.Class = Denied
		case "RATE_LIMITED", "SERVICE_UNAVAILABLE", "RESOURCE_LIMITS_EXCEEDED":
			e.Class = Transient
		}
		return e
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return c.Malformed(op, "data that is not what was asked for")
	}
	return nil
}
