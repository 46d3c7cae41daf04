// Strokes on a contour. A stroke is {v: value, r: radius, p: [x0, y0, x1, y1, ...]} in pixels of the contour.

/** Square of the distance from a point to a piece of a line. */
function distance2(x, y, x0, y0, x1, y1) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
  return (x - x0 - t * dx) ** 2 + (y - y0 - t * dy) ** 2;
}

/** Put one stroke onto a sheet, in place. soft: values are greys in 0..255 and the border is a pixel wide. */
function paint(sheet, w, h, stroke, soft) {
  const { v, r, p } = stroke;
  const cover = new Float32Array(sheet.length);
  for (let i = 0; i < p.length; i += 2) {
    const last = i + 2 < p.length ? i + 2 : i;
    if (last === i && p.length > 2) break;
    const [x0, y0, x1, y1] = [p[i], p[i + 1], p[last], p[last + 1]];
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - r - 1));
    const bottom = Math.min(h - 1, Math.ceil(Math.max(y0, y1) + r + 1));
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - r - 1));
    const right = Math.min(w - 1, Math.ceil(Math.max(x0, x1) + r + 1));
    for (let y = top; y <= bottom; y += 1) {
      for (let x = left; x <= right; x += 1) {
        const inside = r + 0.5 - Math.sqrt(distance2(x + 0.5, y + 0.5, x0, y0, x1, y1));
        cover[y * w + x] = Math.max(cover[y * w + x], Math.min(1, Math.max(0, inside)));
      }
    }
  }
  cover.forEach((share, i) => {
    if (soft) sheet[i] += share * (v - sheet[i]);
    else if (share >= 0.5) sheet[i] = v;
  });
}

/** A contour with strokes on it; the contour itself stays as it is. kind: "sketch" or "label_map". */
export function withStrokes(kind, contour, strokes) {
  if (!strokes.length) return contour;
  const soft = kind === 'sketch';
  const sheet = soft ? Float32Array.from(contour.data, (v) => 255 * v) : contour.data.slice();
  for (const stroke of strokes) paint(sheet, contour.w, contour.h, stroke, soft);
  return { ...contour, data: soft ? sheet.map((v) => v / 255) : sheet };
}

/** Strokes as text for a link: whole quarters of a pixel, in base 36. */
export function strokesToText(strokes) {
  return strokes
    .map(({ v, r, p }) => [v, Math.round(4 * r), ...p.map((x) => Math.round(4 * x))].map((n) => n.toString(36)).join('.'))
    .join('_');
}

/** The way back; what is no stroke is left out. */
export function strokesFromText(text) {
  return text
    .split('_')
    .map((part) => part.split('.').map((word) => parseInt(word, 36)))
    .filter((n) => n.length >= 4 && n.length % 2 === 0 && n.every(Number.isFinite) && n[0] >= 0 && n[0] < 256 && n[1] > 0)
    .map(([v, r, ...p]) => ({ v, r: Math.min(r, 160) / 4, p: p.map((x) => x / 4) }));
}
