import { afterNextRender, Component, computed, DestroyRef, type ElementRef, inject, input, viewChild } from '@angular/core';
import type { ConversationName } from '@wsc/client';
import { injectClient, injectConnection, injectMessages, injectPresence, injectSync, injectTyping } from '@wsc/angular';
import { attend, linkTo } from '../../chat/screen';
import { bannerOf, lineOf, presenceOf, presenceText, titleOf, typingText } from '../../chat/words';
import { Composer } from './composer';

@Component({
  selector: 'chat-pane',
  imports: [Composer],
  template: `
    <main class="pane" [attr.aria-label]="'Conversation with ' + title()">
      <header>
        <a class="back" [href]="linkTo()">‹ All</a>
        <h2>{{ title() }}</h2>
        <p class="quiet">{{ there() }}@if (messages.view().loading) {&nbsp;Loading …}</p>
      </header>
      <p class="banner" role="status">{{ banner() }}</p>
      @if (messages.view().error; as error) {
        <p class="error" role="alert">The history could not be loaded: {{ error.message }}</p>
      }
      <div #log class="log" role="log" aria-label="Messages" tabindex="0">
        <ol>
          @for (line of lines(); track line.key) {
            <li class="line" [class]="line.kind" [attr.data-stage]="line.stage">
              @if (line.file; as file) {
                @if (file.url && file.image) {
                  <img [src]="file.url" [alt]="file.name">
                } @else if (file.url) {
                  <a [href]="file.url" [download]="file.name">{{ file.name }}</a>
                } @else {
                  <span>{{ file.name }}</span>
                }
              }
              @if (line.text) {
                <span class="content">{{ line.text }}</span>
              }
              <p class="about">
                @if (line.kind === 'other') {{{ line.sender }}&nbsp;}<time>{{ line.time }}</time>
                @if (line.stage) {&nbsp;<span class="tick" aria-hidden="true" [title]="line.tick">{{ line.symbol }}</span><span class="hidden">{{ line.tick }}</span>}
              </p>
            </li>
          }
        </ol>
      </div>
      <p class="typing" role="status">{{ typing() }}</p>
      <chat-composer class="contents" [name]="name()" />
    </main>
  `,
})
export class Pane {
  readonly name = input.required<ConversationName>();
  readonly #state = injectConnection();
  readonly #sync = injectSync();
  readonly #typists = injectTyping(() => this.name());
  readonly #statuses = injectPresence(() => presenceOf(this.name()));
  private readonly log = viewChild.required<ElementRef<HTMLElement>>('log');
  protected readonly messages = injectMessages(() => this.name());
  protected readonly linkTo = linkTo;
  protected readonly title = computed(() => titleOf(this.name()));
  protected readonly there = computed(() => presenceText(this.name(), this.#statuses()));
  protected readonly banner = computed(() => bannerOf(this.#state(), this.#sync()));
  protected readonly typing = computed(() => typingText(this.#typists()));
  protected readonly lines = computed(() => this.messages.view().items.map(lineOf));

  constructor() {
    const [client, end] = [injectClient(), inject(DestroyRef)];
    afterNextRender(() => end.onDestroy(attend(this.log().nativeElement, client.timeline(this.name()))));
  }
}
