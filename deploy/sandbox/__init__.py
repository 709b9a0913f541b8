"""A local stand-in for Europeana's APIs, their Auth Service and image hosts.

    from deploy.sandbox.server import Sandbox

    with Sandbox() as sandbox:
        requests.get(f"{sandbox.url}/record/v2/search.json", ...)

or `python -m deploy.sandbox`. Each module describes what the real servers do: `query`, `order` and
`search` (Search API), `record`, `entities`, `thumbnails`, `keys`; in `annotations` the Annotation
API and the Auth Service (`tokens`). `image_hosts` serves the providers' files, `faults` has the
errors on purpose. It needs Linux: each image host has its own address, 127.0.1.1, 127.0.1.2 and so
on.
"""
