"""Employers and clients read out of a text: by their form, by their fame, or by what kind of place they are."""

from __future__ import annotations

import re

from actors.grounding.vocabulary import any_of, words_of

FORMS = frozenset(
    words_of(
        """ltd limited inc llc llp plc gmbh university college school hospital trust bank council group agency
        institute academy clinic foundation company corporation associates corp partners technologies holdings"""
    )
)
"""Words that make a capitalised run an organisation."""

_KNOWN = """accenture|adidas|adobe|airbnb|airbus|aldi|alibaba|allianz|amazon|aol|apple|asda|astrazeneca|atos|aviva|axa|bae systems
bain|balfour beatty|bank of america|bank of england|barclays|basf|bayer|bbc|bcg|bloomberg|bmw|boeing|booz allen|bosch|british airways
british gas|bupa|capgemini|capita|cern|chevron|cisco|citigroup|coca-cola|costa coffee|credit suisse|deloitte|dell|deutsche bank|dhl
disney|dropbox|dyson|ebay|ebury|equifax|ernst and young|ericsson|esso|exxon|facebook|fedex|ford motor|fujitsu|gchq|ge healthcare
general electric|general motors|glaxosmithkline|gsk|goldman sachs|google|greggs|heathrow|hewlett packard|hilton|hitachi|hmrc|honda
honeywell|hsbc|huawei|ibm|ikea|infosys|intel|itv|j sainsbury|jaguar land rover|john lewis|jpmorgan|kellogg|kier|kpmg|l'oreal|laing
lego|lenovo|lidl|linkedin|lloyds|lufthansa|lyft|marks and spencer|marriott|mastercard|mcdonalds|mckinsey|meta platforms|microsoft
ministry of defence|mitie|monzo|morgan stanley|morrisons|nasa|national grid|nationwide building society|natwest|nestle|netflix|network rail
nhs|nike|nissan|nokia|novartis|nvidia|o2|ocado|openai|oxfam|panasonic|paypal|pepsico|pfizer|philips|primark|procter and gamble|pwc
red cross|revolut|roche|rolls-royce|royal mail|ryanair|sainsbury's|sainsburys|samsung|sanofi|santander|save the children|serco|siemens
sky news|sony|spotify|standard chartered|starbucks|stripe|tata|tesco|tesla|thales|thomson reuters|tiktok|toyota|transport for london
tui|uber|ubs|unicef|unilever|united nations|ups|vattenfall|verizon|virgin media|vodafone|volkswagen|volvo|waitrose|walmart|wells fargo
whitbread|wipro|yahoo|zalando|zara"""
KNOWN = re.compile(
    rf"(?<![\w-])(?:{any_of(name for name in _KNOWN.replace(chr(10), '|').split('|'))})(?:['’]s)?(?![\w-])",
    re.IGNORECASE,
)
"""Organisations everyone knows, in any letters. Those that are ordinary words ('next', 'shell') are left out."""

KINDS_OF_PLACE = re.compile(
    r"\b(?:at|for|with|by|of|from|within|inside)\s+(?:an?|one of (?:the|our))\s+(?P<words>(?:[\w'’-]+\s+){0,3}?"
    r"(?P<kind>start-?up|scale-?up|bank|retailer|insurer|consultancy|consultanc(?:y|ies)|law firm|fintech|agency|charity"
    r"|hospital|university|manufacturer|broker|brokerage|telecoms?|airline|multinational|conglomerate|corporation"
    r"|supermarket|ministry|government|fortune (?:100|500|\d+)(?: \w+)?|blue-?chip(?: \w+)?|ftse ?\d+(?: \w+)?))\b",
    re.IGNORECASE,
)
"""'at a leading investment bank': an employer without its name."""
