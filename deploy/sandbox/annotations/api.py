"""The Annotation API: what its paths answer.

As at Europeana's server: `creator` and `generator` come from the token, a tag that is in the index
already is refused with the numbers of those that say the same, only the creator or an admin changes
an annotation, and what was deleted is 410 until it is enabled again.
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385870851 (Annotation API)
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic

from aiohttp import web

from deploy.sandbox.annotations.batches import numbers_to_replace, read_batch
from deploy.sandbox.annotations.finding import search_page, whole_number
from deploy.sandbox.annotations.forms import (
    MOTIVATIONS,
    AnnotationForm,
    Json,
    invalid,
    parse_time,
    read_form,
    read_json,
)
from deploy.sandbox.annotations.store import (
    ANNOTATION_CONTEXT,
    NEVER,
    AnnotationStore,
    StoredAnnotation,
    duplicate_term,
)
from deploy.sandbox.annotations.tokens import ApiClient
from deploy.sandbox.api.refusals import RequestRefusedError

WriteHandler = Callable[[web.Request, ApiClient], Awaitable[web.Response]]

JSON_LD = "application/ld+json"
LDP_RESOURCE = '<http://www.w3.org/ns/ldp#Resource>; rel="type"'
LDP_PAGE = "<http://www.w3.org/TR/annotation-protocol/>; " + (
    'rel="http://www.w3.org/ns/ldp#constrainedBy"'
)


class AnnotationApi:
    """Handlers over one store; new annotations are found after `index_seconds`."""

    def __init__(self, store: AnnotationStore, index_seconds: float) -> None:
        self._store = store
        self._index_seconds = index_seconds

    async def create(self, request: web.Request, client: ApiClient) -> web.Response:
        """`POST /annotation/`: one annotation, indexed unless `indexOnCreate` is false.

        Raises:
            RequestRefusedError: 400, it is invalid, has an `id`, or is there already.
        """
        form = read_form(read_json(await request.read()))
        if form.id is not None:
            raise invalid(f"The identifier must not be set in a new annotation! {form.id}")
        self._refuse_duplicates(form)
        indexed = request.query.get("indexOnCreate", "true") == "true"
        now = datetime.now(UTC)
        created = self._store.add(
            form=form,
            creator=_person(client),
            generator=_software(client),
            created=parse_time(form.members.get("created", now.isoformat())),
            modified=now,
            found_from=self._found_from() if indexed else NEVER,
        )
        return _shown(created, status=201)

    async def create_batch(self, request: web.Request, client: ApiClient) -> web.Response:
        """`POST /annotations/`: all of a page or none; module `batches` has the rules.

        Raises:
            RequestRefusedError: 400 or 404, with an operation report.
        """
        forms = read_batch(read_json(await request.read()))
        numbers = numbers_to_replace(forms, self._store)
        now = datetime.now(UTC)
        stored = [
            self._store.add(
                form=form,
                creator=form.agents.get("creator", _person(client)),
                generator=form.agents.get("generator", _software(client)),
                created=now,
                modified=now,
                found_from=NEVER,
            )
            if number is None
            else self._store.change(number, form=form, modified=now)
            for form, number in zip(forms, numbers, strict=True)
        ]
        items = [one.document() for one in stored]
        page = {
            "@context": ANNOTATION_CONTEXT,
            "type": "AnnotationPage",
            "total": len(items),
            "items": items,
        }
        return _json_ld(page, status=201, headers={"Link": LDP_RESOURCE})

    async def read(self, request: web.Request) -> web.Response:
        """`GET /annotation/{number}`.

        Raises:
            RequestRefusedError: 404, there is none; 410, it is deleted.
        """
        return _shown(self._standing(request))

    async def update(self, request: web.Request, client: ApiClient) -> web.Response:
        """`PUT /annotation/{number}`: other members take the place of those that are there.

        Raises:
            RequestRefusedError: 403, 404, 410, 412; 400 for an invalid or duplicate form.
        """
        standing = self._own(request, client, self._standing(request))
        form = read_form(standing.form.members | read_json(await request.read()))
        self._refuse_duplicates(form, but=standing.number)
        changed = self._store.change(
            standing.number,
            form=form,
            modified=datetime.now(UTC),
            found_from=min(standing.found_from, self._found_from()),
        )
        return _shown(changed)

    async def delete(self, request: web.Request, client: ApiClient) -> web.Response:
        """`DELETE /annotation/{number}`.

        Raises:
            RequestRefusedError: 403, 404, 410, 412.
        """
        standing = self._own(request, client, self._standing(request))
        self._store.change(standing.number, deleted=datetime.now(UTC))
        return web.Response(status=204)

    async def enable(self, request: web.Request, client: ApiClient) -> web.Response:
        """`POST /annotation/{number}`: an annotation that was deleted stands again.

        Raises:
            RequestRefusedError: 403, 404, 412.
        """
        known = self._own(request, client, self._known(request))
        return _shown(self._store.change(known.number, deleted=None, found_from=self._found_from()))

    async def report(self, request: web.Request, client: ApiClient) -> web.Response:
        """`POST /annotation/{number}/report`: once for each user.

        Raises:
            RequestRefusedError: 403, this user has reported it; 404; 410.
        """
        standing = self._standing(request)
        if client.creator in standing.reports:
            raise RequestRefusedError(403, f"{client.creator} has reported this annotation before.")
        self._store.report(standing.number, client.creator)
        return web.Response(status=201)

    async def moderation_summary(self, request: web.Request) -> web.Response:
        """`GET /annotation/{number}/moderationsummary`.

        Raises:
            RequestRefusedError: 404, there is no such annotation.
        """
        known = self._known(request)
        counts = {"endorseSum": 0, "reportSum": len(known.reports), "score": known.score}
        return web.json_response(counts)

    async def search(self, request: web.Request) -> web.Response:
        """`GET /annotation/search`; module `finding` has the query language.

        Raises:
            RequestRefusedError: 400, a parameter is wrong.
        """
        return _json_ld(search_page(request, self._store), headers={"Link": LDP_PAGE})

    async def deleted(self, request: web.Request) -> web.Response:
        """`GET /annotations/deleted`: URIs, from `from` and before `to`.

        Raises:
            RequestRefusedError: 400, a parameter is wrong.
        """
        motivation = request.query.get("motivation")
        if motivation and motivation not in MOTIVATIONS:
            raise invalid(f"Parameter value not supported! motivation: {motivation}")
        try:
            start = parse_time(request.query.get("from", "1970-01-01T00:00:00Z"))
            stop = parse_time(request.query.get("to", datetime.now(UTC).isoformat()))
        except ValueError as error:
            raise invalid(f"from and to are times like 1970-01-01T00:00:00Z: {error}") from error
        page, limit = whole_number(request, "page", 0), whole_number(request, "limit", 100)
        found = [
            one.id
            for one in self._store.gone()
            if one.deleted and start <= one.deleted < stop
            if motivation in (None, "", one.form.motivation)
        ]
        return web.json_response(found[page * limit : (page + 1) * limit])

    def _found_from(self) -> float:
        return monotonic() + self._index_seconds

    def _refuse_duplicates(self, form: AnnotationForm, but: int = 0) -> None:
        term = duplicate_term(form)
        found = self._store.find([term]) if term else []
        if numbers := [str(one.number) for one in found if one.number != but]:
            text = f"Found duplicate annotations with the ids: {','.join(numbers)}"
            raise RequestRefusedError(400, text)

    def _known(self, request: web.Request) -> StoredAnnotation:
        number = request.match_info["number"]
        known = self._store.get(int(number))
        if known is None:
            raise RequestRefusedError(404, f"No annotation has the identifier {number}.")
        return known

    def _standing(self, request: web.Request) -> StoredAnnotation:
        known = self._known(request)
        if known.deleted:
            raise RequestRefusedError(410, f"The annotation {known.number} is deleted.")
        return known

    def _own(
        self, request: web.Request, client: ApiClient, found: StoredAnnotation
    ) -> StoredAnnotation:
        if client.role != "admin" and client.creator != found.creator_uri:
            raise RequestRefusedError(403, "Only its creator or an admin changes an annotation.")
        wanted = request.headers.get("If-Match")
        if wanted is not None and wanted != found.etag:
            raise RequestRefusedError(412, f"If-Match is {wanted}, the ETag is {found.etag}.")
        return found


def _person(client: ApiClient) -> Json:
    return {"id": client.creator, "type": "Person"}


def _software(client: ApiClient) -> Json:
    return {"id": client.generator, "type": "Software"}


def _shown(annotation: StoredAnnotation, status: int = 200) -> web.Response:
    headers = {"ETag": annotation.etag, "Link": LDP_RESOURCE, "Vary": "Accept"}
    return _json_ld(annotation.document(), status=status, headers=headers)


def _json_ld(content: Json, *, status: int = 200, headers: dict[str, str]) -> web.Response:
    return web.json_response(content, status=status, headers=headers, content_type=JSON_LD)
