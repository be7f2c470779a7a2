"""The same work as ours.py and ansible.yml, for pyinfra."""

from pyinfra.operations import files, server

files.directory(name="folder", path="/opt/bench-pyinfra", mode="755")
for name in ("compose", "engine", "front", "agent", "start"):
    files.template(
        name=name,
        src=f"templates/{name}.j2",
        dest=f"/opt/bench-pyinfra/{name}",
        mode="644",
        model="mistral-7b",
        engine_port=8000,
    )
server.shell(name="three commands", commands=["uname -r", "df -P /", "python3 --version"])
