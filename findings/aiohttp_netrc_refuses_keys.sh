#!/usr/bin/env bash
# aiohttp that trusts the environment refuses calls with an Authorization header to hosts that are in the user's netrc.
#
# Package:  aiohttp 3.14.5
# Expected: a key that a call brings itself goes before a login of ~/.netrc, as in curl and requests; or the file is not
#           read, since `trust_env` is what makes a client use the proxies of the environment.
# Happens:  with `trust_env=True` the file is read for every call (in a thread), and where it names the host, or has a
#           default entry, a call with an Authorization header ends in a ValueError that speaks of arguments which nobody
#           gave.
# Matters:  a gateway behind a proxy needs `trust_env`, and sends keys of providers as Authorization; whether it can call
#           one depends on a file that git or a package index needed.
# Here:     the gateway reads the proxies itself and leaves `trust_env` off (serving/gateway/transport.py).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
cat > "$work/show.py" <<'PY'
import asyncio
import os
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

netrc = Path(sys.argv[1]) / "netrc"
netrc.write_text("machine 127.0.0.1 login somebody password else\n")
netrc.chmod(0o600)
os.environ["NETRC"] = str(netrc)


async def seen(request):
    return web.Response(text=request.headers.get("authorization", "nothing"))


async def main():
    app = web.Application()
    app.router.add_get("/", seen)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    told = {}
    for trusts in (False, True):
        async with aiohttp.ClientSession(trust_env=trusts) as session:
            try:
                async with session.get(url, headers={"Authorization": "Bearer ours"}) as answer:
                    told[trusts] = await answer.text()
            except ValueError as error:
                told[trusts] = f"ValueError: {error}"
        print(f"trust_env={trusts}: {told[trusts]}")
    await runner.cleanup()
    print(f"aiohttp {aiohttp.__version__}")
    if told[False] != "Bearer ours" or not told[True].startswith("ValueError"):
        sys.exit("changed: the call's own key is sent to a host of the netrc file, or never was")


asyncio.run(main())
PY
"$work/env/bin/python" "$work/show.py" "$work"
