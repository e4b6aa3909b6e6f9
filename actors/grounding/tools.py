"""Tools, methods and certificates known by name, so that they are noticed in small letters too.

What counts as a name: every skill of the kinds 'tool', 'certification' and 'licence' in `actors/data/skills.tsv`,
under its name and its aliases, and the methods and further names listed here. A name marked '=' there is an
ordinary word as well ('excel', 'slack'): in small letters it counts only where a tool can stand ('in excel.',
'using slack and'), and a few never do ('go', 'word'). A name marked '~' counts by its aliases alone. What is
written there like a description ('setting out', 'Ticketing systems') is no name; it may only bear one out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

from actors.grounding.facts import Fact
from actors.grounding.readings import kept_all
from actors.grounding.vocabulary import words_of

_KINDS = frozenset({"tool", "certification", "licence"})
_METHODS = (
    "Agile",
    "Scrum",
    "Kanban",
    "Scaled agile",
    "Kaizen",
    "Lean manufacturing",
    "Six Sigma",
    "SMED",
    "Test-driven development",
    "Microservices",
    "CI/CD",
    "DevOps",
    "DevSecOps",
    "GitOps",
    "MLOps",
    "Root cause analysis",
    "Machine learning",
    "Deep learning",
    "Generative AI",
    "Natural language processing",
    "Computer vision",
    "A/B testing",
    "Design thinking",
    "Serverless computing",
    "Infrastructure as code",
    "Penetration testing",
    "Threat modelling",
    "Balanced scorecard",
)
_FURTHER = """DMAIC|SWOT|OKR|OKRs|KPI|KPIs|RACI|MoSCoW|PDCA|PDSA|5S|Gantt|waterfall model|AutoCAD|Revit|SketchUp|SolidWorks
Balsamiq|Airtable|WhatsApp|Telegram|Dropbox|GPT|ChatGPT|GitHub Copilot|LangChain|Raspberry Pi|Arduino|Neo4j|DynamoDB
InfluxDB|ClickHouse|Memcached|Consul|Istio|Envoy|Traefik|Sentry|Loki|Jaeger|OpenTelemetry|Logstash|Kibana|Filebeat|k3s|kubeadm
minikube|Podman|Celery|SQLAlchemy|Streamlit|Plotly|Matplotlib|Seaborn|PyTest|Cucumber|Appium|Photoshop|SurveyMonkey|Typeform
Qualtrics|Calendly|Eventbrite|Zapier|Shopify|WooCommerce|Magento|Stripe|PayPal|Deliveroo|Ariba|Concur|Peoplesoft|Deputy app
Godot|Aseprite|Unity|Xcode|Android Studio|IntelliJ|PyCharm|Vim|Emacs|LaTeX|Overleaf|EndNote|Zotero|NVivo|ATLAS.ti|JASP|Minitab
Datix|EMIS|Vision|SystmOne|PRINCE2|PMBOK|ITIL|TOGAF|COBIT|NEBOSH|IOSH|HACCP|ISO 9001|ISO 14001|ISO 27001|GDPR|HIPAA|PCI DSS"""
IMPLIED: dict[str, tuple[str, ...]] = {
    "SQL": ("PostgreSQL", "MySQL", "Microsoft SQL Server", "T-SQL", "PL/SQL", "Oracle Database", "BigQuery", "SQLite"),
    "Git": ("GitHub", "GitLab", "Bitbucket", "GitLab CI", "GitHub Actions"),
    "CI/CD": ("GitLab CI", "GitHub Actions", "Jenkins", "CircleCI", "Azure DevOps", "Argo CD", "TeamCity", "Travis CI"),
    "JavaScript": ("TypeScript", "React", "Angular", "Vue.js", "Node.js", "Next.js", "Svelte"),
    "Amazon Web Services": ("Amazon EC2", "Amazon S3", "AWS Lambda", "Amazon RDS", "Amazon ECS", "Amazon EKS"),
    "Infrastructure as code": ("Terraform", "AWS CloudFormation", "Pulumi"),
    "Machine learning": ("scikit-learn", "TensorFlow", "PyTorch", "Keras", "XGBoost", "LightGBM"),
    "Microsoft Office": ("Microsoft Excel", "Microsoft Word", "Microsoft PowerPoint", "Microsoft Outlook"),
}
"""Who names one of these has named the first as well."""

_NEVER_SMALL = frozenset(
    words_of(
        """go word access r c node rest vision consul deputy unity concur sage leap rio teams stripe loki envoy perl
        dart hive swift scala elixir jest sas sap pms ats lms cms mes cmm edc soap erp ai"""
    )
)
_SMALL_NAMES = frozenset(
    words_of("pandas pytest tcpdump dbt kubectl sklearn scikit-learn protobuf dotnet tidyverse nf-core")
)
_SHORT_FORMS = {"javascript": "js", "typescript": "ts", "elasticsearch": "es", "google cloud platform": "gcp"}
_MIN_SHORT = 4
_ALWAYS = frozenset(words_of("ansible airflow tableau snowflake redshift looker vagrant asana zoho dbt fargate kronos"))
"""Marked as ordinary words, but none in a text about work."""
_TOKEN = re.compile(r"(?<![^\W_])\.?[^\W_]+(?:(?:\+{1,2}|#)(?![^\W_]))?")
_JOINT = re.compile(r"[ \t]{1,3}|[-‐‑–/.&'’_]|[ \t][-‐‑–/&][ \t]|, ")
_BEFORE = re.compile(
    r"(?:\A|\b(?:using|used|uses|use|adopted|introduced|learned|with|via|through|leveraging|in|into|on|and|by|called|named)\s|[,(:/]\s?)$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s*(?:[.,;:)/|]|$|(?:and|or|for|to|as|with|over|across|during|throughout|dashboards?|reports?|pipelines?|scripts?|jobs?|boards?)\b)"
)
_CLINGING = re.compile(r"[-_@‐‑]")


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to write a name, in small letters.

    `ordinary` if its word is no name in small letters; `phrase` if it only describes ('setting out').
    """

    tokens: tuple[str, ...]
    name: str
    ordinary: bool
    phrase: bool


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a text names a tool; `name` is the one under which all its ways are known."""

    name: str
    words: str
    tokens: tuple[str, ...]
    start: int
    end: int


def asserted_tools(text: str) -> Iterator[Fact]:
    yield from (Fact(found.words, (found.name, *found.tokens)) for found in mentions(text, strict=True))


def tools_in(text: str) -> dict[str, set[tuple[str, ...]]]:
    """Every tool that a source names, in whatever letters, with the ways in which it does; and what these imply."""
    named: dict[str, set[tuple[str, ...]]] = {}
    for found in mentions(text, strict=False):
        named.setdefault(found.name, set()).add(found.tokens)
    for whole, parts in IMPLIED.items():
        if not named.keys().isdisjoint(parts):
            named.setdefault(whole, set()).add(_tokens(whole))
    return named


def same_name(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two ways to name a tool are one name: 'postgres' and 'PostgreSQL', 'k8s', 'AWS'; not 'kubectl'."""
    if one == other or not set(one).isdisjoint(other):
        return True
    short, long = sorted(("".join(one), "".join(other)), key=len)
    if len(short) >= _MIN_SHORT and long.startswith(short):
        return True
    words = other if short == "".join(one) else one
    initials = "".join(word[0] for word in words)
    return short in {initials, f"{long[0]}{len(long) - 2}{long[-1]}", _SHORT_FORMS.get(long)}


@kept_all
def mentions(text: str, *, strict: bool) -> Iterator[Mention]:
    """The longest name at each place. Unless `strict`, an ordinary word counts wherever it stands."""
    ways = _ways()
    tokens = list(_TOKEN.finditer(text))
    folded = [_fold(token.group()) for token in tokens]
    place = 0
    while place < len(tokens):
        way = next(
            (
                way
                for way in ways.get(folded[place], ())
                if tuple(folded[place : place + len(way.tokens)]) == way.tokens
                and _stands(text, tokens[place : place + len(way.tokens)], way, strict=strict)
            ),
            None,
        )
        if way is None:
            place += 1
            continue
        start, end = tokens[place].start(), tokens[place + len(way.tokens) - 1].end()
        yield Mention(way.name, text[start:end], way.tokens, start, end)
        place += len(way.tokens)


@cache
def _ways() -> dict[str, tuple[_Way, ...]]:
    """By first token, the longest first."""
    found: dict[str, dict[tuple[str, ...], _Way]] = {}
    for name, raw in _names():
        if raw.startswith("~"):
            continue
        tokens = _tokens(raw.lstrip("="))
        ordinary = (raw.startswith("=") and tokens[0] not in _ALWAYS) or (
            len(tokens) == 1 and tokens[0] in _NEVER_SMALL
        )
        phrase = name not in _METHODS and _is_phrase(raw.lstrip("="))
        for path in (tokens, *([("".join(tokens),)] if len(tokens) == 2 else [])):
            if path:
                found.setdefault(path[0], {}).setdefault(path, _Way(path, name, ordinary, phrase))
    return {first: tuple(sorted(ways.values(), key=lambda way: -len(way.tokens))) for first, ways in found.items()}


def _names() -> Iterator[tuple[str, str]]:
    """(the name, a way to write it with its mark)."""
    for further in _FURTHER.replace("\n", "|").split("|"):
        yield further, further
    rows = (files("actors") / "data" / "skills.tsv").read_text("utf-8").splitlines()[1:]
    for row in rows:
        marked, kind, _, aliases = (*row.split("\t"), "", "", "")[:4]
        name = marked.lstrip("=~").strip()
        if kind in _KINDS or name in _METHODS:
            yield from ((name, way.strip()) for way in (marked, *aliases.split("|")) if way.strip())


def _tokens(way: str) -> tuple[str, ...]:
    return tuple(map(_fold, _TOKEN.findall(way)))


def _is_phrase(way: str) -> bool:
    """Whether it is written as no name is: in small letters, or in several words with no capital but the first."""
    if way in _SMALL_NAMES:
        return False
    rest = way[1:] if " " in way else way
    return not any(char.isupper() or char.isdigit() for char in rest)


def _fold(token: str) -> str:
    """In small letters and without a plural ending."""
    word = token.casefold()
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _stands(text: str, tokens: list[re.Match[str]], way: _Way, *, strict: bool) -> bool:
    start, end = tokens[0].start(), tokens[-1].end()
    gaps = (text[one.end() : other.start()] for one, other in pairwise(tokens))
    if not all(not gap or _JOINT.fullmatch(gap) for gap in gaps):
        return False
    if not strict or not (way.ordinary or way.phrase):
        return True
    if way.phrase:
        return False
    words = text[start:end]
    if not words.islower():
        return not _opens(text, start) or bool(_AFTER.match(text, end) and len(words) > 2)
    return (
        words not in _NEVER_SMALL
        and bool(_BEFORE.search(text, 0, start) and _AFTER.match(text, end))
        and not _CLINGING.match(text[end : end + 1])
    )


def _opens(text: str, start: int) -> bool:
    return not re.search(r"\w[\s\"'(]*$", text[max(start - 6, 0) : start])
