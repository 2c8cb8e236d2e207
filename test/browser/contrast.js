// How each text stands out from what is behind it, as WCAG 2 computes it: 4.5 at the least, 3 for large text.
(() => {
  const numbers = (color) => {
    const n = color.match(/[\d.]+/g).map(Number);
    return n.length > 3 ? n : [...n, 1];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      if (e.tagName === "g") {
        const rect = e.querySelector("rect");
        if (rect) return numbers(getComputedStyle(rect).fill);
      }
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color[3] > 0) return color;
    }
    return [255, 255, 255, 1];
  };
  const bad = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    if (!node.textContent.trim() || e.closest(".unseen, .skip, script, title, noscript") || box.width === 0 || style.visibility === "hidden") continue;
    texts++;
    const ink = numbers(e.namespaceURI.endsWith("svg") ? style.fill : style.color), paper = behind(e);
    const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && +style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} for ${JSON.stringify(node.textContent.trim().slice(0, 40))}: ${ink} on ${paper}`);
  }
  return { texts, bad };
})()
