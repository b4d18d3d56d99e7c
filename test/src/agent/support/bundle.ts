/** The agent as it is shipped: one bundled file, built once for each test file. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

const ENTRY = new URL('../../../../src/agent/main.ts', import.meta.url).pathname
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"

let built: Promise<string> | undefined

export function agentScript(): Promise<string> {
  built ??= buildAgent()
  return built
}

async function buildAgent(): Promise<string> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'tdf-agent-bundle-')), 'tdf-agent.mjs')
  await build({
    entryPoints: [ENTRY],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    banner: { js: REQUIRE },
    logLevel: 'error',
  })
  return outfile
}
