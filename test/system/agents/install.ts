/** The real agents, at versions that are known to work, in a cache folder outside the work tree; installed once. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'

const PINNED = {
  '@openai/codex': '0.169.0',
  '@anthropic-ai/claude-code': '2.1.331',
  'opencode-ai': '1.18.33',
  '@google/gemini-cli': '0.61.0',
  // The last versions that run on Node 20; npm has newer ones for Node 22.
  '@qwen-code/qwen-code': '0.15.10',
  '@agentclientprotocol/claude-agent-acp': '0.49.0',
  '@github/copilot': '1.0.102',
}

/** The folder with their programs. `TDF_AGENTS_CACHE` says where the cache is. */
export function installAgents(): string {
  const cache =
    process.env.TDF_AGENTS_CACHE ??
    path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'tdf-test-agents')
  const name = Object.values(PINNED).join('-')
  const folder = path.join(cache, name)
  if (!existsSync(folder)) {
    const draft = path.join(cache, `.${name}-${process.pid}`)
    mkdirSync(draft, { recursive: true })
    try {
      writeFileSync(path.join(draft, 'package.json'), JSON.stringify({ private: true, dependencies: PINNED }))
      // What this project asks of its own packages says nothing about theirs.
      const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--engine-strict=false']
      execFileSync('npm', ['install', ...flags], { cwd: draft, stdio: 'inherit' })
      renameSync(draft, folder)
    } catch (error) {
      // Another process that looked at the same moment was there first.
      if (!existsSync(folder)) throw error
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  return path.join(folder, 'node_modules', '.bin')
}
