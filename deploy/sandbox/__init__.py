"""A local stand-in for Europeana's APIs, their Auth Service and image hosts.

    from deploy.sandbox.server import Sandbox

    with Sandbox() as sandbox:
        requests.get(f"{sandbox.url}/record/v2/search.json", ...)

or `python -m deploy.sandbox`. What the servers really do is described module by module: `query`,
`order` and `search` (Search API), `record`, `entities`, `thumbnails`, `keys`; in `annotations` the
Annotation API and the Auth Service (`tokens`). `image_hosts` serves the providers' files, `faults`
says what goes wrong on purpose. Linux only: every image host is an address of its own, 127.0.1.1,
127.0.1.2 and so on.
"""
