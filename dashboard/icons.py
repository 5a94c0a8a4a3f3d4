"""The symbols of the sprite: 16 px line icons, 12 px status shapes, glyphs of the service map.

Each value is the inside of a `<symbol>`; `base.html` stamps the sprite once a page.
"""
# ruff: noqa: E501 - path data has no place to break

ICONS = {
    "overview": '<path d="M2.5 9.5h3v4h-3zM6.5 5.5h3v8h-3zM10.5 2.5h3v11h-3z"/>',
    "map": '<circle cx="3.5" cy="8" r="2"/><circle cx="12" cy="3.8" r="2"/><circle cx="12" cy="12.2" r="2"/><path d="M5.4 7.1l4.8-2.4M5.4 8.9l4.8 2.4"/>',
    "traces": '<path d="M2 3.5h8M5 8h7M8 12.5h6"/>',
    "analytics": '<path d="M2 13.5V9h3V5h3v5h3v2h3v1.5zM2 5.5h3M11 8V2.5h3V8"/>',
    "logs": '<path d="M2.5 3h11M2.5 6.3h8M2.5 9.7h11M2.5 13h6"/>',
    "insights": '<circle cx="7" cy="7" r="4.5"/><path d="M10.4 10.4L14 14M5.2 7.8l1.4-1.6 1.2 1.2 1-1.2"/>',
    "tail": '<path d="M2.5 4l3.5 4-3.5 4M8 12.5h5.5"/>',
    "metrics": '<path d="M2 12.5l3.5-5 3 2.5L14 3.5"/><path d="M10.5 3.5H14V7"/>',
    "dash": '<rect x="2" y="2.5" width="5" height="6" rx="1"/><rect x="9" y="2.5" width="5" height="3.5" rx="1"/><rect x="2" y="10.5" width="5" height="3" rx="1"/><rect x="9" y="8" width="5" height="5.5" rx="1"/>',
    "alarms": '<path d="M4 11V7.2a4 4 0 018 0V11l1.2 1.5H2.8zM6.7 14.5h2.6"/>',
    "sampling": '<path d="M2.5 3h11L9.5 8v4.5l-3 1V8z"/>',
    "ingest": '<path d="M8 2v7.5M4.8 6.5L8 9.7l3.2-3.2M2.5 11v2.5h11V11"/>',
    "settings": '<path d="M2 4.5h6.5M11.5 4.5H14M2 11.5h2.5M7.5 11.5H14"/><circle cx="10" cy="4.5" r="1.5"/><circle cx="6" cy="11.5" r="1.5"/>',
    "xray-insights": '<path d="M1.5 9H4l1.8-5.5 3.2 9.5L10.8 8h3.7"/>',
    "groups": '<path d="M5 2.5H2.5v11H5M11 2.5h2.5v11H11M5.5 6h5M5.5 10h5"/>',
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="M10.4 10.4L14 14"/>',
    "left": '<path d="M10 3.5L5.5 8l4.5 4.5"/>',
    "right": '<path d="M6 3.5L10.5 8 6 12.5"/>',
    "down": '<path d="M4 6l4 4 4-4"/>',
    "x": '<path d="M4 4l8 8M12 4l-8 8"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "minus": '<path d="M3 8h10"/>',
    "share": '<path d="M6.8 9.2l3-3M7 4.5l1.2-1.2a2.8 2.8 0 014 4L11 8.5M9 11.5l-1.2 1.2a2.8 2.8 0 01-4-4L5 7.5"/>',
    "theme": '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11a5.5 5.5 0 000-11z" fill="currentColor"/>',
    "play": '<path d="M5 3.5l7.5 4.5L5 12.5z"/>',
    "more": '<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.4"/>',
    "dl": '<path d="M8 2.5v7M5 7l3 3 3-3M3 13h10"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 3.5v-1h-8v8h1"/>',
    "filter": '<path d="M2 4h12M4.5 8h7M7 12h2"/>',
    "fit": '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>',
    "clock": '<circle cx="8" cy="8" r="5.5"/><path d="M8 5v3.2l2 1.3"/>',
    "star": '<path d="M8 2.5l1.7 3.5 3.8.5-2.8 2.7.7 3.8L8 11.2 4.6 13l.7-3.8L2.5 6.5 6.3 6z"/>',
}
# Status shapes, 12 px, solid: told apart by outline alone.
SHAPES = {
    "ok": '<circle cx="6" cy="6" r="4" fill="currentColor"/>',
    "error": '<path d="M6 1.2L11.4 10.8H.6z" fill="currentColor"/>',
    "fault": '<path d="M6 .4L11.6 6 6 11.6.4 6z" fill="currentColor"/>',
    "throttle": '<path d="M1.8 1.5h3v9h-3zM7.2 1.5h3v9h-3z" fill="currentColor"/>',
    "nodata": '<circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.2 1.6"/>',
}
# Node glyphs for the service map, drawn about 0,0.
GLYPH = {
    "app": '<rect x="-8" y="-7" width="16" height="14" rx="2"/><path d="M-8 -2.5h16M-5 -4.8h.01M-2.5 -4.8h.01"/>',
    "db": '<ellipse cx="0" cy="-5" rx="7.5" ry="2.8"/><path d="M-7.5 -5V5c0 1.6 3.4 2.8 7.5 2.8S7.5 6.6 7.5 5V-5M-7.5 0c0 1.6 3.4 2.8 7.5 2.8S7.5 1.6 7.5 0"/>',
    "cache": '<path d="M0 -8L8 -4 0 0-8 -4zM-8 0L0 4 8 0M-8 4L0 8 8 4"/>',
    "queue": '<path d="M-9 -6h4v12h-4zM-2 -6h4v12h-4zM5 -6h4v12h-4z"/>',
    "ext": '<circle r="8"/><path d="M-8 0H8M0 -8c3.4 3.4 3.4 12.6 0 16M0 -8c-3.4 3.4-3.4 12.6 0 16"/>',
    "user": '<circle cy="-3.5" r="3.8"/><path d="M-7 8c.6-4.2 3.4-6 7-6s6.4 1.8 7 6"/>',
}
