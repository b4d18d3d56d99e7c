import { realAgent } from '../real-agent.suite.ts'

realAgent('qwen', { asks: true })
