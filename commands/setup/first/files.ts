/** What `tdf init` writes: as little as works, since what is set nowhere follows later versions. */
import { valueText } from '../../../src/config/show/describe.ts'
import { KNOWN_AGENTS } from '../../../src/text/agents.ts'

/** config.toml, with the agent of a task that names none. */
export function configText(agent: string): string {
  const { table } = KNOWN_AGENTS[agent] ?? {}
  const own = table
    ? `\n[agents.${agent}]\ntype = "acp"\ncommand = ${valueText(table.command)}\nenv = ${valueText(table.env)}\n`
    : ''
  return `# Every key has a default: tdf config example shows them all, tdf config show --origin what holds.
[runner]
agent = ${valueText(agent)}
${own}`
}

/** .tdf.toml; null when there is nothing to say. */
export function repositoryText(rules: { check: string | null; setup: string | null }): string | null {
  const setup =
    rules.setup === null ? [] : ['# Before an agent begins, in a fresh copy:', `setup = ${valueText(rules.setup)}`]
  const check =
    rules.check === null ? [] : ['# After it: whether the work is verified.', `check = ${valueText(rules.check)}`]
  const lines = [...setup, ...check]
  return lines.length === 0 ? null : `${lines.join('\n')}\n`
}
