// Builds the page: node build.mjs FOLDER. The networks and pictures are put beside it by `make web`.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import esbuild from 'esbuild';

import { TEXTS } from './src/texts.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2]);
const runtime = path.join(here, 'node_modules', 'onnxruntime-web', 'dist');
fs.mkdirSync(out, { recursive: true });

await esbuild.build({
  entryPoints: ['main', 'worker'].map((name) => path.join(here, 'src', `${name}.js`)),
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  conditions: ['onnxruntime-web-use-extern-wasm'],
  legalComments: 'eof',
  logLevel: 'warning',
});
const page = fs.readFileSync(path.join(here, 'src', 'index.html'), 'utf8');
const [title, lead] = [TEXTS.title, TEXTS.noScript].map((text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`));
const filled = page.replace('<title>idnb', `<title>${title}`).replace('NO_SCRIPT', lead).replace('lang="en"', `lang="${TEXTS.language}"`);
fs.writeFileSync(path.join(out, 'index.html'), filled);
fs.copyFileSync(path.join(here, 'src', 'style.css'), path.join(out, 'style.css'));
fs.copyFileSync(path.join(runtime, 'ort-wasm-simd-threaded.mjs'), path.join(out, 'ort.mjs'));
// A fourth of the size, and no server has to be told: the page unpacks it itself.
fs.writeFileSync(path.join(out, 'ort.wasm.gz'), gzipSync(fs.readFileSync(path.join(runtime, 'ort-wasm-simd-threaded.wasm')), { level: 9 }));
