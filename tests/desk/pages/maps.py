"""Twenty-three records that a model calls maps, to be judged."""

from tests.desk.museum import MAP, Museum
from tests.desk.visiting import Visit

RECORDS = [f"/1/r{number:02}" for number in range(23)]
STANDING = """
    SELECT record_id, said, coalesce(instead_uri, '') FROM verdict
    WHERE withdrawn_at IS NULL ORDER BY record_id
"""


def hang_maps(museum: Museum) -> Museum:
    museum.records("A museum", *RECORDS)
    model = museum.model()
    job = museum.job(model, RECORDS)
    museum.enrich(job, model, dict.fromkeys(RECORDS, (MAP, 0.7)))
    encoder = museum.encoder(model)
    alike = {each: [1.0, 0.01 * number] for number, each in enumerate(RECORDS)}
    museum.embed(encoder, {each: [*vector, *[0.0] * 6] for each, vector in alike.items()})
    return museum


def saved(visit: Visit) -> None:
    """Wait until the browser has nothing that is not kept."""
    visit.page.locator(".unsaved[data-count='0']").wait_for(state="attached")
