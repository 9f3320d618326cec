"""The report's look: light, one accent, wide enough for a laptop, and plain when printed."""

CSS = """
:root { --ink:#22303c; --muted:#6b7884; --line:#e3e6e8; --paper:#faf9f6; --card:#fff; --accent:#1f6f8b;
  --good:#2c7a55; --warn:#9a6700; --bad:#b83a24; }
* { box-sizing:border-box }
html { scroll-behavior:smooth }
body { margin:0; background:var(--paper); color:var(--ink);
  font:15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
nav { position:sticky; top:0; z-index:2; display:flex; gap:4px 18px; flex-wrap:wrap; align-items:baseline;
  padding:10px 28px; background:rgba(250,249,246,.94); border-bottom:1px solid var(--line); font-size:13px }
nav b { font-size:15px; margin-right:10px }
nav a { color:var(--muted); text-decoration:none }
nav a:hover { color:var(--accent) }
main { max-width:1160px; margin:0 auto; padding:8px 28px 64px }
section { padding-top:22px; scroll-margin-top:44px }
h2 { font-size:20px; font-weight:600; margin:14px 0 10px; letter-spacing:-.01em }
h3 { font-size:15px; font-weight:600; margin:22px 0 6px }
p, li { max-width:110ch }
.note { color:var(--muted); font-size:13px; margin:6px 0 10px }
.grid { display:grid; gap:14px; grid-template-columns:repeat(auto-fit, minmax(320px, 1fr)) }
.tile { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:16px 18px }
.tile h3 { margin:0; color:var(--muted); font-weight:500 }
.tile .figure { font-size:38px; font-weight:600; letter-spacing:-.02em; line-height:1.25 }
.tile .figure small { font-size:14px; font-weight:400; letter-spacing:0; color:var(--muted); margin-left:8px }
.pill { display:inline-block; border-radius:99px; padding:1px 10px; font-size:12.5px; font-weight:500 }
.pill.good { color:var(--good); background:#e5f3ec } .pill.warn { color:var(--warn); background:#fdf3d8 }
.pill.bad { color:var(--bad); background:#fbe6e1 }
.remarks { border-left:3px solid var(--warn); background:#fdf8ea; border-radius:0 8px 8px 0; padding:8px 18px;
  margin:16px 0 }
.remarks.fine { border-color:var(--good); background:#eef7f2 }
.remarks ul { margin:4px 0; padding-left:18px }
.scroll { overflow-x:auto; background:var(--card); border:1px solid var(--line); border-radius:10px }
table { border-collapse:collapse; width:100%; font-size:13.5px; font-variant-numeric:tabular-nums }
th { text-align:right; font-weight:500; color:var(--muted); padding:9px 12px 7px; white-space:nowrap;
  border-bottom:1px solid var(--line); vertical-align:bottom }
td { text-align:right; padding:6px 12px; border-bottom:1px solid #f0f1f2; white-space:nowrap }
th:first-child, td:first-child { text-align:left }
tr:last-child td { border-bottom:0 }
tr.model td { background:#eef6f9; font-weight:600 }
tr.ceiling td { color:var(--muted); font-style:italic }
td small, .tile small { color:var(--muted); font-weight:400 }
td small.ci { display:block; font-size:11.5px; line-height:1.2 }
td .best { border-bottom:2px solid #d98e32 }
td .none { color:#c5ccd1 }
td.left, th.left { text-align:left }
td.text { text-align:left; white-space:normal }
.good { color:var(--good) } .warn { color:var(--warn) } .bad { color:var(--bad) }
table.confusion { width:auto; font-size:12.5px }
table.confusion th { white-space:nowrap; padding:4px 6px; font-weight:400; border:0; color:var(--ink) }
table.confusion thead th { height:128px; padding:0; position:relative; min-width:44px }
table.confusion thead th span { position:absolute; left:24px; bottom:8px; transform:rotate(-45deg);
  transform-origin:left bottom }
table.confusion tbody th { text-align:right; padding-left:12px }
table.confusion td { text-align:center; width:44px; min-width:44px; height:34px; padding:0;
  border:1px solid #fff; background-clip:padding-box }
table.confusion td:last-child, table.confusion thead th:last-child { color:var(--muted) }
table.confusion { margin-right:96px }
svg { width:100%; height:auto; display:block; font-family:inherit }
.legend { display:flex; flex-wrap:wrap; gap:4px 16px; font-size:13px; margin:8px 0 12px }
.legend i { display:inline-block; width:12px; height:12px; border-radius:3px; margin-right:6px;
  vertical-align:-1px }
figure { margin:0 0 16px; background:var(--card); border:1px solid var(--line); border-radius:10px;
  padding:12px 14px }
figcaption { font-size:13px; margin-bottom:8px; display:flex; flex-wrap:wrap; gap:2px 16px;
  align-items:baseline }
figcaption code { color:var(--muted) }
.right { color:var(--good) } .wrong { color:var(--bad) }
dl { display:grid; grid-template-columns:max-content 1fr; gap:3px 22px; font-size:13px;
  background:var(--card); border:1px solid var(--line); border-radius:10px; padding:14px 18px; margin:0 }
dt { color:var(--muted) } dd { margin:0; overflow-wrap:anywhere; font-family:ui-monospace, Menlo, monospace;
  font-size:12.5px }
@media print { nav { display:none } section { break-inside:avoid-page } body { background:#fff } }
"""
