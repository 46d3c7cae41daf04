// Reading a .safetensors file of 32-bit numbers: eight bytes of length, a JSON head, the numbers.

/** Name -> {shape, data: Float32Array}. */
export function readSafetensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const found = {};
  for (const [name, entry] of Object.entries(head)) {
    if (name === '__metadata__') continue;
    if (entry.dtype !== 'F32') throw new Error(`${name} is ${entry.dtype}, not F32`);
    const [begin, end] = entry.data_offsets;
    found[name] = { shape: entry.shape, data: new Float32Array(buffer.slice(8 + length + begin, 8 + length + end)) };
  }
  return found;
}
