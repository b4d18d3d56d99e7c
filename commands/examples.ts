/** The examples at the end of every help text: real ones, to paste. */
const EXAMPLES = {
  submit: [
    'tdf submit "fix the flaky test in test/auth" --check "npm test" --wait',
    'tdf submit --repo ~/work/site --ref main --agent codex "update the dependencies"',
    `tdf submit --wait -- sh -c 'make format && git commit -qam "format"'`,
    'git log -1 --format=%B | tdf submit - --title "follow up on the last commit"',
  ],
  ls: ['tdf ls', 'tdf ls --all --status failed -q | tdf retry -', 'tdf ls --json'],
  show: ['tdf show @last', 'tdf show 7kq2 --json'],
  why: ['tdf why @last'],
  logs: ['tdf logs @last -f', 'tdf logs 7kq2 --session setup'],
  events: ['tdf events', 'tdf events --follow --since 120'],
  errors: ['tdf errors', 'tdf errors --task @last --json'],
  wait: ['tdf wait @last --timeout 30m', 'tdf wait 7kq2 9fx4 --for step=running'],
  watch: ['tdf watch', 'tdf watch @last', 'tdf watch | head'],
  retry: ['tdf retry @last', 'tdf ls -q --status failed | tdf retry -'],
  cancel: ['tdf cancel @last'],
  send: ['tdf send @last "now add a test for it"', 'tdf send @last --close'],
  rm: ['tdf rm @last'],
  prune: ['tdf prune --older-than 30d --dry-run', 'tdf prune --older-than 30d --yes'],
  diff: ['tdf diff @last', 'tdf diff @last --stat', 'tdf diff @last | git apply --3way'],
  apply: ['tdf apply @last'],
  pull: ['tdf pull @last && git merge "$(tdf pull @last)"', 'tdf pull @last --branch try-it'],
  shell: ['tdf shell @last'],
  'node ls': ['tdf node ls', 'tdf node ls --json'],
  'node show': ['tdf node show local'],
  'node drain': ['tdf node drain box1', 'tdf node drain box1 --undo'],
  'node rm': ['tdf node rm tdf-3f2a-1', 'tdf node rm box1 --discard-work'],
  'daemon run': ['tdf daemon run', 'TDF_HOME=/tmp/try tdf daemon run'],
  'daemon status': ['tdf daemon status', 'tdf daemon status --json'],
  'daemon stop': ['tdf daemon stop'],
  'config check': ['tdf config check', 'TDF_CONFIG=./config.toml tdf config check'],
  'config show': ['tdf config show --origin'],
  'config example': ['tdf config example > ~/.config/tdf/config.toml'],
  'config path': ['"$EDITOR" "$(tdf config path)"'],
  'config schema': ['tdf config schema > config.schema.json'],
  version: ['tdf version', 'tdf version --json'],
  quickstart: ['tdf quickstart'],
} satisfies Record<string, string[]>

export function examples(command: keyof typeof EXAMPLES): string {
  return `\nExamples:\n${EXAMPLES[command].map(line => `  ${line}\n`).join('')}`
}
