/** How each real agent is pointed at the scripted model: its table in the configuration, and its variables. */
import path from 'node:path'

export interface Kind {
  /** Its table, in TOML. */
  table: string
  /** Variables of the daemon that the table passes on. */
  env: Record<string, string>
  /** It can be given a prompt during a turn; else the prompt is the next turn's. */
  joinsTurns: boolean
  /** It tells of a usage limit, and when it is lifted; of one alone; or goes on trying and tells nothing. */
  limits: 'until' | 'reached' | 'silent'
  /** Its tokens have a price. */
  knowsCost: boolean
  /** Where it keeps its conversations, in its home, and we know of them; else they stay on their machine. */
  conversations: string | null
  /** It goes on with a conversation that it kept itself, in another folder of the same machine. */
  resumes: boolean
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
      ...{ joinsTurns: true, limits: 'until', knowsCost: true, givesUp: true },
      conversations: '.claude/projects',
      resumes: true,
    },
    codex: {
      table: `type = "codex"\ncommand = [${program('codex')}]\nargs = ${JSON.stringify(codexArgs)}\nenv = ["SCRIPTED_KEY"]`,
      env: { SCRIPTED_KEY: KEY },
      ...{ joinsTurns: true, limits: 'until', knowsCost: false, givesUp: true },
      conversations: '.codex/sessions',
      resumes: true,
    },
    opencode: {
      table: `type = "acp"\ncommand = [${program('opencode')}, "acp"]\nenv = ["OPENCODE_CONFIG_CONTENT", "OPENCODE_DISABLE_MODELS_FETCH"]`,
      env: { OPENCODE_CONFIG_CONTENT: JSON.stringify(opencode), OPENCODE_DISABLE_MODELS_FETCH: '1' },
      ...{ joinsTurns: false, limits: 'silent', knowsCost: true, givesUp: false },
      conversations: null,
      resumes: false,
    },
    ...bridges(program, modelUrl),
  }
}

/** Agents that are reached by ACP alone, each as it is installed: with its own default permissions. */
function bridges(program: (name: string) => string, modelUrl: string): Record<string, Kind> {
  const like = {
    joinsTurns: false,
    limits: 'silent',
    knowsCost: false,
    givesUp: false,
    conversations: null,
    resumes: false,
  } as const
  return {
    gemini: {
      table: `type = "acp"\ncommand = [${program('gemini')}, "--acp", "--model", "gemini-2.5-flash"]\nenv = ["GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"]`,
      env: { GEMINI_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: modelUrl },
      ...like,
    },
    qwen: {
      table: `type = "acp"\ncommand = [${program('qwen')}, "--acp"]\nenv = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"]`,
      env: { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: `${modelUrl}/v1`, OPENAI_MODEL: 'm1' },
      ...like,
    },
    copilot: {
      table: `type = "acp"\ncommand = [${program('copilot')}, "--acp"]\nenv = ["COPILOT_OFFLINE", "COPILOT_MODEL", "COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_API_KEY"]`,
      env: {
        COPILOT_OFFLINE: 'true',
        COPILOT_MODEL: 'm1',
        COPILOT_PROVIDER_BASE_URL: `${modelUrl}/v1`,
        COPILOT_PROVIDER_API_KEY: KEY,
      },
      ...{ ...like, givesUp: true, resumes: true },
    },
    'claude-agent-acp': {
      table: `type = "acp"\ncommand = [${program('claude-agent-acp')}]\nenv = ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_MAX_RETRIES", "IS_SANDBOX"]`,
      env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: modelUrl, CLAUDE_CODE_MAX_RETRIES: '1', IS_SANDBOX: '1' },
      ...{ ...like, limits: 'reached', knowsCost: true, givesUp: true },
    },
  }
}
