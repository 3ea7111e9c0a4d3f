"""Credentials of many kinds, none of them real: made when a test runs, so that no scanner finds one in these files."""

from __future__ import annotations

import json
import random
import string
from base64 import b64encode, urlsafe_b64encode

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_LOWER = string.ascii_lowercase + string.digits
_UPPER = string.ascii_uppercase + string.digits
_BASE64 = _ALNUM + "+/"


def credentials(seed: int = 0) -> dict[str, str]:
    """A value for every kind; always the same ones for a seed."""
    dice = random.Random(seed)

    def some(count: int, alphabet: str = _ALNUM) -> str:
        return "".join(dice.choices(alphabet, k=count))

    def part(content: dict[str, str]) -> str:
        return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    def pem(kind: str) -> str:
        lines = [some(64, _BASE64) for _ in range(4)]
        return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"])

    return {
        "airtable": f"pat{some(14)}.{some(64, _HEX)}",
        "alibaba": f"LTAI{some(20)}",
        "anthropic": f"sk-ant-api03-{some(93)}AA",
        "artifactory": f"AKC{some(60)}7",
        "atlassian": f"ATATT3xFfGF0{some(180)}",
        "aws access key": f"AKIA{some(16, _UPPER)}",
        "azure client secret": f"{some(3)}8Q~{some(34)}",
        "azure service bus": f"Endpoint=sb://x.example/;SharedAccessKey={some(43, _BASE64)}=",
        "azure signature": f"https://x.example/c?sv=1&sig={some(43)}%3D",
        "azure storage": f"AccountName=x;AccountKey={some(86, _BASE64)}==",
        "basic auth": f"https://bob:{some(16)}@example.org/private",
        "brevo": f"xkeysib-{some(64, _HEX)}-{some(16)}",
        "database": f"postgresql+psycopg://bob:{some(14)}@db.example/prod",
        "databricks": f"dapi{some(32, _HEX)}",
        "digitalocean": f"dop_v1_{some(64, _HEX)}",
        "discord": f"M{some(24)}.{some(6)}.{some(27)}",
        "docker hub": f"dckr_pat_{some(27)}",
        "doppler": f"dp.pt.{some(43)}",
        "encrypted key": pem("ENCRYPTED PRIVATE " + "KEY"),
        "figma": f"figd_{some(40)}",
        "github": f"ghp_{some(36)}",
        "github fine-grained": f"github_pat_{some(22)}_{some(59)}",
        "gitlab": f"glpat-{some(20)}",
        "google api": f"AIza{some(35)}",
        "google oauth secret": f"GOCSPX-{some(28)}",
        "google service account": json.dumps(
            {"type": "service_account", "private_key": pem("PRIVATE " + "KEY")}
        ),
        "grafana": f"glsa_{some(32)}_{some(8, _HEX)}",
        "groq": f"gsk_{some(52)}",
        "heroku": f"HRKU-{some(60)}",
        "hugging face": f"hf_{some(34, string.ascii_letters)}",
        "json web token": f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': some(9)})}.{some(43)}",
        "kaggle": json.dumps({"username": "bob", "key": some(32, _HEX)}),
        "langsmith": f"lsv2_pt_{some(32, _HEX)}_{some(10, _HEX)}",
        "linear": f"lin_api_{some(40)}",
        "mailchimp": f"{some(32, _HEX)}-us12",
        "mailgun": f"key-{some(32, _HEX)}",
        "new relic": f"NRAK-{some(27, _UPPER)}",
        "notion": f"ntn_{some(46)}",
        "npm": f"npm_{some(36)}",
        "openai": f"sk-proj-{some(74)}T3BlbkFJ{some(74)}",
        "openssh key": pem("OPENSSH PRIVATE " + "KEY"),
        "postman": f"PMAK-{some(24, _HEX)}-{some(34, _HEX)}",
        "pypi": f"pypi-AgEIcHlwaS5vcmc{some(160)}",
        "replicate": f"r8_{some(37)}",
        "rsa key": pem("RSA PRIVATE " + "KEY"),
        "sendgrid": f"SG.{some(22)}.{some(43)}",
        "sentry": f"sntrys_{some(120)}",
        "shopify": f"shpat_{some(32, _HEX)}",
        "slack": f"xoxb-{some(11, string.digits)}-{some(12, string.digits)}-{some(24)}",
        "slack webhook": f"https://hooks.slack.com/services/T{some(8, _UPPER)}/B{some(8, _UPPER)}/{some(24)}",
        "square": f"sq0csp-{some(43)}",
        "stripe": f"sk_live_{some(24)}",
        "telegram": f"{some(9, '123456789')}:AA{some(33)}",
        "terraform": f"{some(14)}.atlasv1.{some(67)}",
        "twilio": f"SK{some(32, _LOWER)}",
        "vault": f"hvs.{some(90)}",
        "weights and biases": f"wandb_v1_{some(77)}",
    }


def spelt(value: str) -> list[str]:
    """Forms in which a value may be found again: its lines, and all of it as URL, JSON and base64 have it."""
    from urllib.parse import quote

    forms = [line for line in value.split("\n") if len(line) >= 16 and not line.startswith("-----")]
    forms += [quote(value, safe=""), json.dumps(value)[1:-1], b64encode(value.encode()).decode()]
    return list(dict.fromkeys(forms))
