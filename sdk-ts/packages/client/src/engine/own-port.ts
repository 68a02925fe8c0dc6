/** The engine in this tab, for this tab alone. */

import { newMessageId } from '../message.js';
import type { Host } from '../platform.js';
import { Engine, type EngineSettings } from './engine.js';
import type { Command, Port, Report } from './protocol.js';

export class OwnPort implements Port {
  readonly #engine: Promise<Engine | undefined>;
  readonly #id: string = newMessageId();
  #ready: Engine | undefined;
  #waiting: Command[] = [];
  #left = false;

  constructor(settings: EngineSettings, host: Host) {
    const tell = (reports: readonly Report[]): void => host.hear(reports, this.#id);
    const failed = (error: unknown): undefined => void host.failed(error);
    this.#engine = Engine.start(settings, { tell, failed }).then(
      (engine) => {
        if (this.#left) return engine;
        this.#ready = engine;
        tell([engine.snapshot()]);
        for (const command of this.#waiting.splice(0)) engine.command(this.#id, command);
        return engine;
      },
      failed,
    );
  }

  post(command: Command): void {
    if (this.#ready) this.#ready.command(this.#id, command);
    else this.#waiting.push(command);
  }

  async leave(): Promise<void> {
    this.#left = true;
    await (await this.#engine)?.stop();
  }
}
