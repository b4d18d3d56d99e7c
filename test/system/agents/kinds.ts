/** How each real agent is pointed at the scripted model: its table in the configuration, and its variables. */
import path from 'node:path'

export interface Kind {
  /** Its table, in TOML. */
  table: string
  /** Variables of the daemon that the table passes on. */
  env: Record<string, string>
  /** It can be given a prompt during a turn; else the prompt is the next turn's. */
  joinsTurns: boolean
  /** It tells when a limit is lifted. */
  knowsLimits: boolean
  /** Its tokens have a price. */
  knowsCost: boolean
  /** Where it keeps its conversations, in its home, and we know of them; else they stay on their machine. */
  conversations: string | null
  /** It ends by itself when its model fails with 5xx; else it goes on trying for ever. */
  givesUp: boolean
}

const KEY = 'sk-of-nobody-and-for-nothing'

export function kindsOf(bin: string, modelUrl: string): Record<string, Kind> {
  const program = (name: string) => JSON.stringify(path.join(bin, name))
  const provider = 'model_providers.scripted'
  const codexArgs = [
    ...['-c', 'model="gpt-5-codex"', '-c', 'model_provider="scripted"', '-c', `${provider}.name="scripted"`],
    ...['-c', `${provider}.base_url="${modelUrl}/v1"`, '-c', `${provider}.wire_api="responses"`],
    ...['-c', `${provider}.env_key="SCRIPTED_KEY"`],
    ...['-c', `${provider}.stream_max_retries=1`, '-c', `${provider}.request_max_retries=1`],
  ]
  const opencode = {
    permission: 'allow',
    enabled_providers: ['scripted'],
    model: 'scripted/m1',
    small_model: 'scripted/m1',
    provider: {
      scripted: {
        npm: '@ai-sdk/openai-compatible',
        options: { baseURL: `${modelUrl}/v1`, apiKey: KEY },
        models: { m1: { tool_call: true, cost: { input: 1, output: 2 }, limit: { context: 100_000, output: 8_000 } } },
      },
    },
  }
  return {
    claude: {
      table: `type = "claude"\ncommand = [${program('claude')}]\nenv = ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_MAX_RETRIES"]`,
      env: {
        CLAUDE_CODE_OAUTH_TOKEN: `sk-ant-oat01-${KEY}`,
        ANTHROPIC_BASE_URL: modelUrl,
        CLAUDE_CODE_MAX_RETRIES: '1',
      },
      ...{ joinsTurns: true, knowsLimits: true, knowsCost: true, givesUp: true },
      conversations: '.claude/projects',
    },
    codex: {
      table: `type = "codex"\ncommand = [${program('codex')}]\nargs = ${JSON.stringify(codexArgs)}\nenv = ["SCRIPTED_KEY"]`,
      env: { SCRIPTED_KEY: KEY },
      ...{ joinsTurns: true, knowsLimits: true, knowsCost: false, givesUp: true },
      conversations: '.codex/sessions',
    },
    opencode: {
      table: `type = "acp"\ncommand = [${program('opencode')}, "acp"]\nenv = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_DISABLE_MODELS_FETCH"]`,
      env: { OPENCODE_CONFIG_CONTENT: JSON.stringify(opencode), OPENCODE_DISABLE_MODELS_FETCH: '1' },
      ...{ joinsTurns: false, knowsLimits: false, knowsCost: true, givesUp: false },
      conversations: null,
    },
  }
}
