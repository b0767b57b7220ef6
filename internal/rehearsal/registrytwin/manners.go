package registrytwin

import (
	"fmt"
	"net/http"
	"strings"
)

// Manners is whose behaviour a twin has.
type Manners string

// The manners.
const (
	// CratesIO checks what crates.io checks, in its order and with its sentences, and derives the index from the
	// manifest inside the .crate.
	CratesIO Manners = "crates-io"
	// Lenient believes the JSON of the upload and does not look into the .crate, as Gitea and kellnr do. Its answers are
	// Gitea's; it takes a token in any form.
	Lenient Manners = "lenient"
	// Azure is a lenient feed with the habits of Azure Artifacts: schemes are required, versions can never be taken again,
	// and what comes from upstream must be saved by an authorised download before anybody else sees it.
	Azure Manners = "azure"
	// Gitea is Lenient, and takes no token without its scheme.
	Gitea Manners = "gitea"
	// Kellnr looks at the upload before it looks at what the token may do, and refuses a wrong token with an empty 403.
	Kellnr Manners = "kellnr"
	// Artifactory, Cloudsmith and CodeArtifact take a token as their manuals say. How they refuse an upload by cargo is
	// written nowhere; here each refuses as it does for other kinds of package, in three ways that no client may rely on.
	Artifactory  Manners = "artifactory"
	Cloudsmith   Manners = "cloudsmith"
	CodeArtifact Manners = "codeartifact"
)

// forms are the schemes that a token may come with; "" is none.
var forms = map[Manners][]string{
	CratesIO: {"", "bearer"}, Lenient: {"", "bearer", "basic"}, Azure: {"bearer", "basic"}, Gitea: {"bearer", "basic"},
	Kellnr: {"", "bearer"}, Artifactory: {"bearer"}, Cloudsmith: {"", "token", "bearer"}, CodeArtifact: {"", "bearer"},
}

// denial is the refusal of who may not act. A valid token lacks a right.
func (m Manners) denial(who identity, valid bool) *refusal {
	switch m {
	case CratesIO:
		return cratesIODenial(who, valid)
	case Azure:
		if valid {
			return &refusal{status: http.StatusForbidden, typeKey: "FeedNeedsPermissionsException",
				detail: "User '" + who.label() + "' lacks permission to complete this action. You need to have 'AddPackage'."}
		}
		return &refusal{status: http.StatusUnauthorized, typeKey: "UnauthorizedRequestException",
			detail: "TF400813: The user '' is not authorized to access this resource."}
	case Kellnr:
		switch {
		case valid:
			return bad("ERROR: Read-only users cannot modify the registry")
		case who.given:
			return &refusal{status: http.StatusForbidden, plain: true}
		}
		return &refusal{status: http.StatusUnauthorized, plain: true}
	case Artifactory:
		if valid {
			return refusef(http.StatusForbidden, "Not enough permissions to deploy artifact")
		}
		return refusef(http.StatusUnauthorized, "Bad Credentials")
	case Cloudsmith:
		if valid {
			return refusef(http.StatusForbidden, "You do not have permission to perform this action.")
		}
		return refusef(http.StatusUnauthorized, "Invalid token.")
	case CodeArtifact:
		if valid {
			return &refusal{status: http.StatusForbidden, typeKey: "AccessDeniedException", detail: "User is not authorized to perform: codeartifact:PublishPackageVersion"}
		}
		return &refusal{status: http.StatusUnauthorized, typeKey: "UnauthorizedException", detail: "Unauthenticated"}
	}
	if valid {
		return refusef(http.StatusUnauthorized, "reqPackageAccess")
	}
	return refusef(http.StatusUnauthorized, "Unauthorized")
}

// taken refuses a version that exists.
func (m Manners) taken(feed, name, number string) *refusal {
	switch m {
	case CratesIO:
		return bad("crate version `%s` is already uploaded", number)
	case Azure:
		// The feed's answer to cargo is not documented; this is what its npm and Python feeds say
		// (https://learn.microsoft.com/azure/devops/artifacts/artifacts-key-concepts#immutability).
		return &refusal{status: http.StatusConflict, typeKey: "PackageExistsException",
			detail: fmt.Sprintf("The feed '%s' already contains file '%s-%s.crate' in package '%s %s'.", feed, name, number, name, number)}
	case Kellnr:
		return bad("ERROR: Crate with version already exists: %s-%s", name, number)
	case Artifactory:
		return refusef(http.StatusForbidden, "Not enough permissions to delete/overwrite artifact '%s:crates/%s/%s-%s.crate'", feed, name, name, number)
	case Cloudsmith:
		return refusef(http.StatusUnprocessableEntity, "The package could not be created.")
	case CodeArtifact:
		return &refusal{status: http.StatusConflict, typeKey: "ConflictException", detail: "The package version is there."}
	}
	return refusef(http.StatusConflict, "package version already exists")
}

// shape is the body of a refusal; nil is the sentence alone.
func (m Manners) shape(e *refusal) any {
	switch m {
	case Azure:
		return map[string]any{"$id": "1", "innerException": nil, "message": e.detail, "typeName": e.typeKey, "typeKey": e.typeKey, "errorCode": 0, "eventId": 3000}
	case Artifactory:
		return map[string]any{"errors": []map[string]any{{"status": e.status, "message": e.detail}}}
	case Cloudsmith:
		return map[string]any{"detail": e.detail}
	case CodeArtifact:
		return map[string]any{"__type": e.typeKey, "message": e.detail}
	case Lenient, Gitea:
		if e.status == http.StatusUnauthorized {
			return nil
		}
		return map[string]any{"ok": false, "errors": []detail{{e.detail}}}
	}
	return map[string]any{"errors": []detail{{e.detail}}}
}

// challenge is the WWW-Authenticate header of a 401.
func (m Manners) challenge() string {
	switch m {
	case Azure:
		return `Bearer authorization_uri=https://login.microsoftonline.com/common, Basic realm="https://pkgs.dev.azure.com/", TFS-Federated`
	case Lenient, Gitea:
		return `Basic realm="Gitea Package API"`
	case Artifactory:
		return `Basic realm="Artifactory Realm"`
	}
	return ""
}

// scheme splits an Authorization header. A scheme that no manners know is part of the token.
func scheme(header string) (name, rest string) {
	name, rest, found := strings.Cut(header, " ")
	if lower := strings.ToLower(name); found && (lower == "bearer" || lower == "basic" || lower == "token") {
		return lower, rest
	}
	return "", header
}
