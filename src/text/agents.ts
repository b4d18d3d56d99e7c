/** Agents that tdf was tried with, and what is said where none was found: by `submit`, `doctor` and `init`. */

export interface KnownAgent {
  /** How it is installed. */
  install: string
  /** What its table in the configuration has; claude and codex need none. */
  table?: { command: readonly string[]; env: readonly string[] }
}

const acp = (install: string, command: readonly string[], ...env: string[]): KnownAgent => ({
  install: `npm install -g ${install}`,
  table: { command, env },
})

/** By name, which is that of the program; those that need no table first. docs/agents.md says more of each. */
export const KNOWN_AGENTS: Readonly<Record<string, KnownAgent>> = {
  claude: { install: 'npm install -g @anthropic-ai/claude-code' },
  codex: { install: 'npm install -g @openai/codex' },
  opencode: acp('opencode-ai', ['opencode', 'acp'], 'OPENROUTER_API_KEY'),
  gemini: acp('@google/gemini-cli', ['gemini', '--acp'], 'GEMINI_API_KEY'),
  qwen: acp('@qwen-code/qwen-code', ['qwen', '--acp'], 'OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_MODEL'),
  copilot: acp('@github/copilot', ['copilot', '--acp'], 'GH_TOKEN'),
}

/** The three ways to have one. `whose` PATH was searched, such as "your PATH". */
export function noAgentText(whose: string): string {
  return [
    `no agent was named, and neither claude nor codex is on ${whose}; there are three ways:`,
    `  install one:        ${KNOWN_AGENTS.claude?.install}   (or ${KNOWN_AGENTS.codex?.install});`,
    '                      the daemon finds it after tdf daemon restart in a shell that does',
    '  configure another:  [agents.NAME] in config.toml, then --agent NAME or [runner] agent',
    '  or run any command: tdf submit --wait -- COMMAND',
  ].join('\n')
}
