/** What is said where no agent was found: by `submit`, `doctor` and `init`. */

/** How the agents that need no table in the configuration are installed, by their program. */
export const AGENT_INSTALLS: Readonly<Record<string, string>> = {
  claude: 'npm install -g @anthropic-ai/claude-code',
  codex: 'npm install -g @openai/codex',
}

/** The three ways to have one. `whose` PATH was searched, such as "your PATH". */
export function noAgentText(whose: string): string {
  return [
    `no agent was named, and neither claude nor codex is on ${whose}; there are three ways:`,
    `  install one:        ${AGENT_INSTALLS.claude}   (or ${AGENT_INSTALLS.codex});`,
    '                      the daemon finds it after tdf daemon restart in a shell that does',
    '  configure another:  [agents.NAME] in config.toml, then --agent NAME or [runner] agent',
    '  or run any command: tdf submit --wait -- COMMAND',
  ].join('\n')
}
