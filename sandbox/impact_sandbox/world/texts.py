"""Texts that actions and clicks share, awkward ones among them."""

from __future__ import annotations

PLACES = (
    ("855", "Santa Barbara", "California", "US"),
    ("807", "San Francisco", "California", "US"),
    ("501", "New York", "New York", "US"),
    ("602", "Chicago", "Illinois", "US"),
    ("", "São Paulo", "São Paulo", "BR"),
    ("", "Zürich", "Zürich", "CH"),
    ("", "Łódź", "Łódzkie", "PL"),
    ("", "東京", "東京都", "JP"),
    ("", "Reykjavík", "Höfuðborgarsvæði", "IS"),
    ("", "", "", ""),
)
SUB_IDS = (
    "",
    "blog",
    "newsletter-2026-03",
    "a b c",
    'say "hi", twice',
    "back\\slash",
    "ключ=значение&x=1",
    "null",
    "00123",
    "🎿 winter",
    "tab\there",
)
DOMAINS = ("", "gear-notes.example", "deals.example", "forum.example")
SKUS = (
    ("TENT-3P", "Three person tent", "Camping"),
    ("A/B 12", "Mug, large", "Kitchen"),
    ("50% off", "Voucher", "Vouchers"),
    ("日本-手袋", "手袋", "衣類"),
    ("ÄÖÜ#7?x=1", "Lämpchen", "Lighting"),
    ("00042", "Rope & hook", "Climbing"),
    ("lamp+bulb", "Lamp with bulb", "Lighting"),
    ("x", "Thing", ""),
)
