"""What `harvester images` left in the store."""

IMAGES = ("images", "--dataset", "d")
STATES = "SELECT state, coalesce(reason, source), count(*) FROM image GROUP BY 1, 2"


def states(harvester):
    return {(state, why): count for state, why, count in harvester.rows(STATES)}
