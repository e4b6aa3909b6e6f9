"""`python -m serve_app` is the command `askwell`."""

from serve_app.cli import app

app()
