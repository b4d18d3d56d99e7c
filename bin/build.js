/**
 * Builds `dist/`: one bundle for the command line with parts that load on demand, and the VM agent as one file of its
 * own. libsql stays outside, since it is native. Run by `npm run build`, by `npm ci`, and by `bin/tdf` when needed.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  logLevel: 'warning',
  define: { TDF_VERSION: JSON.stringify(version), 'process.env.NODE_ENV': '"production"' },
  // Some libraries still ask for `require` when they are bundled as modules.
  banner: { js: "import{createRequire as tdfRequire}from'node:module';const require=tdfRequire(import.meta.url);" },
}

export async function buildAll() {
  const out = path.join(root, 'dist')
  rmSync(out, { recursive: true, force: true })
  await Promise.all([
    build({
      ...shared,
      entryPoints: { tdf: 'commands/main.ts' },
      outdir: 'dist',
      splitting: true,
      chunkNames: 'parts/[name]-[hash]',
      external: ['libsql'],
      alias: { 'react-devtools-core': './bin/empty.js' },
    }),
    build({ ...shared, entryPoints: { 'tdf-agent': 'src/agent/main.ts' }, outdir: 'dist' }),
  ])
  writeFileSync(path.join(out, 'built'), `${version}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll()
