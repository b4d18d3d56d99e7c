/**
 * Builds `dist/`: one bundle for the command line with parts that load on demand, and the VM agent as one file of its
 * own. libsql stays outside, since it is native. Run by `npm run build`, by `npm ci`, and by `bin/tdf` when needed.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { billOfMaterials, bundledPackages, notices } from './notices.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/** zod brings its messages in fifty languages, 300 kB in front of every process; tdf shows English alone. */
const englishOnly = {
  name: 'english-only',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) => ({
      path: path.join(resolveDir, '..', 'locales', 'en.js'),
    })),
}

/** libsql is installed beside the bundles; pg would load pg-native in its own place, if that were installed. */
const EXTERNAL = ['libsql', 'pg-native']

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  plugins: [englishOnly],
  logLevel: 'warning',
  define: { TDF_VERSION: JSON.stringify(version), 'process.env.NODE_ENV': '"production"' },
  // Some libraries still ask for `require` when they are bundled as modules.
  banner: { js: "import{createRequire as tdfRequire}from'node:module';const require=tdfRequire(import.meta.url);" },
}

export async function buildAll() {
  // Built aside and put in place by a rename, so that two builds at once never mix.
  const out = path.join(root, '.cache', `dist-${process.pid}`)
  mkdirSync(out, { recursive: true })
  const [program, quick, agent] = await Promise.all([
    build({
      ...shared,
      entryPoints: { tdf: 'commands/main.ts' },
      outdir: out,
      splitting: true,
      chunkNames: 'parts/[name]-[hash]',
      external: EXTERNAL,
      alias: { 'react-devtools-core': './bin/empty.mjs' },
    }),
    buildQuick(out),
    build({ ...shared, entryPoints: { 'tdf-agent': 'src/agent/main.ts' }, outdir: out }),
    buildBenchHost(out),
  ])
  const metafiles = [program, quick, agent].map(({ metafile }) => metafile)
  const packages = bundledPackages(root, metafiles)
  writeFileSync(path.join(out, 'THIRD_PARTY_NOTICES.txt'), notices(packages))
  writeFileSync(path.join(out, 'sbom.cdx.json'), billOfMaterials(version, packages))
  // What the two are compared with; not part of the package.
  writeFileSync(path.join(out, 'metafiles.json'), JSON.stringify(metafiles))
  // The manual is written by the program itself, from its own tree of commands.
  await promisify(execFile)(process.execPath, [path.join(out, 'tdf.js'), 'man', '--to', path.join(out, 'man')])
  writeFileSync(path.join(out, 'built'), `${version}\n`)
  const dist = path.join(root, 'dist')
  rmSync(dist, { recursive: true, force: true })
  renameSync(out, dist)
}

/** CommonJS is loaded at once, without Node's loader of modules. */
function buildQuick(outdir) {
  const { banner: _, ...rest } = shared
  const outExtension = { '.js': '.cjs' }
  return build({ ...rest, format: 'cjs', entryPoints: { quick: 'commands/quick.ts' }, outdir, outExtension })
}

/** The engine with a journey that does nothing, for measuring; not part of the package. */
function buildBenchHost(outdir) {
  return build({
    ...shared,
    entryPoints: { 'bench-host': 'test/perf/bench/host/main.ts' },
    outdir,
    external: EXTERNAL,
  })
}

/** Programs for developers, built aside: `node bin/build.mjs sim`. */
const EXTRA = {
  sim: 'test/sim/main.ts',
  soak: 'test/perf/soak/main.ts',
  'bench/main': 'test/perf/bench/main.ts',
  'bench/bare': 'test/perf/bench/bare/main.ts',
  'demo/main': 'test/perf/demo/main.ts',
  'mutate/main': 'test/repo/mutate/main.ts',
  'mutate/worker': 'test/repo/mutate/worker.ts',
}

async function buildExtra(name) {
  const outfile = path.join('.cache', `${name}.js`)
  await build({
    ...shared,
    entryPoints: [EXTRA[name]],
    outfile,
    external: [...EXTERNAL, 'vitest', '@stryker-mutator/instrumenter'],
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2]
  await (name ? buildExtra(name) : buildAll())
}
